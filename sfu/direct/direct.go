// Package direct decides whether the two devices of a call send to each other
// directly or through the SFU, and when to change over. It decides for one call;
// the media themselves, and what the devices tell each other to build the path
// (offer, answer, candidates), it never sees.
//
// Input is what a device says (Do), which devices of the call may send and
// receive (Members), and the time (Tick, at what Next names). Output is the Steps
// that devices are to be told. A step that does not fit is refused and changes
// nothing.
//
// # The states of a path
//
//	          both are ready
//	sfu ───────────────────────► offering ──── both have proven ───► direct
//	 ▲                              │                                   │
//	 │ both have returned,          │ failed, too slow,                 │ failed,
//	 │ or too slow                  │ a third member, one of two gone   │ a third ...
//	 └───────── returning ◄─────────┴───────────────────────────────────┘
//
// # Make before break
//
// A device sends by the SFU in all states but direct, and sends directly as soon
// as that path stands, until it is told sfu. It plays the direct path once media
// has come over it, and says proven. On return it sends by the SFU again and says
// back; when the other has said so too and media has come by the SFU, it plays
// that and says returned. (Without back, media that the other sent before it heard
// of the move would be taken for media that go on.) So what a device plays is
// always being sent by the other: a change costs both paths for about one round
// trip, and no sound. Where the direct path itself breaks, sound is lost until
// that is noticed.
//
// Each attempt has an epoch, 1 and up. What belongs to another epoch is refused
// with ErrEpoch: late messages of a path that was given up do no harm.
//
// # Bounds
//
// A device may send one offer or answer and Config.Candidates further messages
// in an epoch, and epochs come no faster than Config.Retry, doubling with each
// failure up to Config.RetryMax: that is the rate limit.
//
// The package is pure: no clock, no goroutine, and no map is iterated. A Path
// belongs to one goroutine.
package direct

import (
	"errors"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
)

// State is which way media goes.
type State string

// The states, as drawn in the package comment.
const (
	SFU       State = "sfu"
	Offering  State = "offering"
	Direct    State = "direct"
	Returning State = "returning"
)

// Verb is one step: a closed list.
type Verb string

// What devices say. Offer, answer and candidate go on to the other device.
const (
	Ready     Verb = "ready"     // willing, its media by the SFU stands
	Unready   Verb = "unready"   // willing no longer
	Offer     Verb = "offer"     // of the device that was told to offer
	Answer    Verb = "answer"    // of the other
	Candidate Verb = "candidate" // of either
	Proven    Verb = "proven"    // plays what has come directly
	Failed    Verb = "failed"    // the direct path does not stand, or no longer
	Back      Verb = "back"      // sends by the SFU again; goes on to the other
	Returned  Verb = "returned"  // plays what has come by the SFU
)

// What devices are told, beside what goes on to them.
const (
	Start  Verb = "start"  // build a direct path
	Moved  Verb = "direct" // both play the direct path: send no longer by the SFU
	Return Verb = "return" // send by the SFU again, beside the direct path
	Over   Verb = "sfu"    // both play the SFU's: close the direct path
)

// Reason is why a path goes back.
type Reason string

// The reasons.
const (
	ReasonFailed  Reason = "failed"  // a device said so
	ReasonTimeout Reason = "timeout" // Config.Offering has passed
	ReasonMembers Reason = "members" // no longer two devices in the call
	ReasonUnready Reason = "unready" // a device is willing no longer
)

// Step is something that a device is told.
type Step struct {
	To, From call.Device // From is zero where it comes from no device
	Verb     Verb
	Epoch    uint32
	Offers   bool   // of start: this device makes the offer
	Reason   Reason // of return
}

// Why a step is refused.
var (
	ErrEpoch   = errors.New("direct: of an epoch that is over")
	ErrState   = errors.New("direct: does not fit the state of the path")
	ErrTooMany = errors.New("direct: more messages than one attempt may have")
	ErrMember  = errors.New("direct: not a device that is in the call")
)

// Config bounds a Path.
type Config struct {
	// Offering is how long an attempt may take, Returning how long the way back.
	Offering, Returning time.Duration
	// Retry is the least time between two attempts; it doubles with each failure
	// up to RetryMax.
	Retry, RetryMax time.Duration
	// Candidates bounds what a device says in an epoch beside offer and answer.
	Candidates int
}

// DefaultConfig suits links with round trips of up to two seconds.
func DefaultConfig() Config {
	return Config{
		Offering:  20 * time.Second, // ICE and DTLS take some eight round trips
		Returning: 10 * time.Second,
		Retry:     5 * time.Second, RetryMax: 5 * time.Minute,
		Candidates: 32,
	}
}

// side is one of the two devices of a path.
type side struct {
	device           call.Device
	described        bool // its offer or answer has gone on
	candidates       int
	proven, returned bool
	back             bool // the other has been told that this one sends by the SFU
}

// Path is the path of one call.
type Path struct {
	config   Config
	state    State
	epoch    uint32
	sides    [2]side // of the present epoch; the first one offers
	members  []call.Device
	ready    []call.Device // those of members that are
	deadline time.Time     // of offering and returning
	retryAt  time.Time
	failures int
	out      []Step
}

// New makes the path of a call, which begins by the SFU.
func New(config Config) *Path { return &Path{config: config, state: SFU} }

// State answers which way media goes, and the epoch of the last attempt.
func (p *Path) State() (State, uint32) { return p.state, p.epoch }

// Next is when Tick must be called; zero for never.
func (p *Path) Next() time.Time {
	switch p.state {
	case Offering, Returning:
		return p.deadline
	case SFU:
		if p.pair() {
			return p.retryAt
		}
	}
	return time.Time{}
}

// pair says whether there are two members, and both willing.
func (p *Path) pair() bool { return len(p.members) == 2 && len(p.ready) == 2 }

// Members says which devices are in the call and may send and receive, in an
// order that does not change: the first one offers.
func (p *Path) Members(now time.Time, devices []call.Device) []Step {
	p.members = slices.Clone(devices)
	p.ready = slices.DeleteFunc(p.ready, func(d call.Device) bool { return !slices.Contains(devices, d) })
	if p.state == Offering || p.state == Direct {
		if len(devices) != 2 || !slices.Contains(devices, p.sides[0].device) || !slices.Contains(devices, p.sides[1].device) {
			p.goBack(now, ReasonMembers)
		}
	}
	if p.state == Returning {
		for i := range p.sides { // who is gone plays nothing, and is not waited for
			if !slices.Contains(devices, p.sides[i].device) {
				p.sides[i].returned = true
				p.sendsAgain(i)
			}
		}
	}
	return p.settle(now)
}

// Tick does what is due.
func (p *Path) Tick(now time.Time) []Step {
	if !p.deadline.IsZero() && !now.Before(p.deadline) {
		switch p.state {
		case Offering:
			p.failures++
			p.goBack(now, ReasonTimeout)
		case Returning:
			p.end(now)
		}
	}
	return p.settle(now)
}

// Do carries out what a device says.
func (p *Path) Do(now time.Time, from call.Device, verb Verb, epoch uint32) ([]Step, error) {
	if !slices.Contains(p.members, from) {
		return nil, ErrMember
	}
	var err error
	switch verb {
	case Ready:
		p.begin(now, from)
	case Unready:
		p.ready = slices.DeleteFunc(p.ready, func(d call.Device) bool { return d == from })
		if p.state == Offering || p.state == Direct {
			p.goBack(now, ReasonUnready)
		}
	default:
		err = p.step(now, from, verb, epoch)
	}
	return p.settle(now), err
}

// begin notes that a device is willing. One that says so while there is a path
// has begun anew and knows nothing of it.
func (p *Path) begin(now time.Time, d call.Device) {
	if !slices.Contains(p.ready, d) {
		p.ready = append(p.ready, d)
	}
	i := p.side(d)
	if p.state == SFU || i < 0 {
		return
	}
	if p.state != Returning {
		p.goBack(now, ReasonFailed)
	}
	p.sides[i].returned = true
	p.sendsAgain(i)
}

// sendsAgain tells the other device, once, that it need not wait for this one.
func (p *Path) sendsAgain(i int) {
	if !p.sides[i].back {
		p.sides[i].back = true
		p.tell(Step{To: p.sides[1-i].device, From: p.sides[i].device, Verb: Back})
	}
}

// side finds a device of the present epoch; -1 if it is none.
func (p *Path) side(d call.Device) int {
	return slices.IndexFunc(p.sides[:], func(s side) bool { return s.device == d })
}

// step carries out what belongs to an epoch.
func (p *Path) step(now time.Time, from call.Device, verb Verb, epoch uint32) error {
	i := p.side(from)
	switch {
	case epoch != p.epoch || p.state == SFU:
		return ErrEpoch
	case i < 0:
		return ErrMember
	}
	me, other := &p.sides[i], &p.sides[1-i]
	switch verb {
	case Offer, Answer:
		offers := verb == Offer
		if p.state != Offering || me.described || offers != (i == 0) || (!offers && !other.described) {
			return ErrState
		}
		me.described = true
		p.tell(Step{To: other.device, From: from, Verb: verb})
	case Candidate:
		if p.state != Offering && p.state != Direct {
			return ErrState
		}
		if me.candidates++; me.candidates > p.config.Candidates {
			return ErrTooMany
		}
		p.tell(Step{To: other.device, From: from, Verb: verb})
	case Proven:
		if p.state != Offering || !p.sides[1].described {
			return ErrState
		}
		if me.proven = true; other.proven {
			p.state, p.deadline, p.failures = Direct, time.Time{}, 0
			p.both(Step{Verb: Moved})
		}
	case Failed:
		if p.state != Offering && p.state != Direct {
			return ErrState
		}
		p.failures++
		p.goBack(now, ReasonFailed)
	case Back:
		if p.state != Returning {
			return ErrState
		}
		p.sendsAgain(i)
	case Returned:
		if p.state != Returning {
			return ErrState
		}
		me.returned = true
	default:
		return ErrState
	}
	return nil
}

// settle begins and ends what can begin and end, and answers the steps.
func (p *Path) settle(now time.Time) []Step {
	if p.state == Returning && p.sides[0].returned && p.sides[1].returned {
		p.end(now)
	}
	if p.state == SFU && p.pair() && !now.Before(p.retryAt) {
		p.state, p.deadline = Offering, now.Add(p.config.Offering)
		p.epoch++
		p.sides = [2]side{{device: p.members[0]}, {device: p.members[1]}}
		p.tell(Step{To: p.sides[0].device, Verb: Start, Offers: true})
		p.tell(Step{To: p.sides[1].device, Verb: Start})
	}
	out := p.out
	p.out = nil
	return out
}

// goBack has both sides send by the SFU again.
func (p *Path) goBack(now time.Time, why Reason) {
	p.state, p.deadline = Returning, now.Add(p.config.Returning)
	p.both(Step{Verb: Return, Reason: why})
}

// end closes the direct path, and says when the next attempt may be.
func (p *Path) end(now time.Time) {
	p.state, p.deadline = SFU, time.Time{}
	wait := p.config.Retry
	for range p.failures {
		if wait *= 2; wait >= p.config.RetryMax {
			wait = p.config.RetryMax
			break
		}
	}
	p.retryAt = now.Add(wait)
	p.both(Step{Verb: Over})
}

func (p *Path) both(s Step) {
	for i := range p.sides {
		s.To = p.sides[i].device
		p.tell(s)
	}
}

func (p *Path) tell(s Step) {
	s.Epoch = p.epoch
	p.out = append(p.out, s)
}

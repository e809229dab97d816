package direct

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
)

var (
	ann = call.Device{User: "ann", ID: "phone"}
	bob = call.Device{User: "bob", ID: "laptop"}
	eve = call.Device{User: "eve", ID: "tablet"}
	t0  = time.Unix(1_700_000_000, 0)
)

// told writes steps as a test reads them.
func told(steps []Step) (all []string) {
	for _, s := range steps {
		text := fmt.Sprintf("%s:%s/%d", s.To.User, s.Verb, s.Epoch)
		if s.Offers {
			text += "!"
		}
		if s.Reason != "" {
			text += "," + string(s.Reason)
		}
		all = append(all, text)
	}
	return all
}

// TestPath walks a path there and back, line by line.
func TestPath(t *testing.T) {
	p := New(DefaultConfig())
	now := t0
	do := func(d call.Device, v Verb, epoch uint32) func() ([]Step, error) {
		return func() ([]Step, error) { return p.Do(now, d, v, epoch) }
	}
	members := func(d ...call.Device) func() ([]Step, error) {
		return func() ([]Step, error) { return p.Members(now, d), nil }
	}
	after := func(d time.Duration) func() ([]Step, error) {
		return func() ([]Step, error) { now = now.Add(d); return p.Tick(now), nil }
	}
	for i, line := range []struct {
		act   func() ([]Step, error)
		want  string
		err   error
		state State
	}{
		{do(ann, Ready, 0), "[]", ErrMember, SFU},
		{members(ann, bob), "[]", nil, SFU},
		{do(bob, Ready, 0), "[]", nil, SFU},
		{do(eve, Ready, 0), "[]", ErrMember, SFU},
		{do(ann, Proven, 0), "[]", ErrEpoch, SFU},
		{do(ann, Ready, 0), "[ann:start/1! bob:start/1]", nil, Offering},
		{do(bob, Offer, 1), "[]", ErrState, Offering},
		{do(bob, Answer, 1), "[]", ErrState, Offering},
		{do(ann, Proven, 1), "[]", ErrState, Offering},
		{do(ann, Offer, 1), "[bob:offer/1]", nil, Offering},
		{do(ann, Offer, 1), "[]", ErrState, Offering},
		{do(bob, Answer, 0), "[]", ErrEpoch, Offering},
		{do(bob, Answer, 1), "[ann:answer/1]", nil, Offering},
		{do(bob, Candidate, 1), "[ann:candidate/1]", nil, Offering},
		{do(bob, Proven, 1), "[]", nil, Offering},
		{do(ann, Proven, 1), "[ann:direct/1 bob:direct/1]", nil, Direct},
		{do(bob, Proven, 1), "[]", ErrState, Direct},
		{after(time.Hour), "[]", nil, Direct},
		{members(ann, bob, eve), "[ann:return/1,members bob:return/1,members]", nil, Returning},
		{do(ann, Back, 1), "[bob:back/1]", nil, Returning},
		{do(ann, Back, 1), "[]", nil, Returning},
		{do(ann, Returned, 1), "[]", nil, Returning},
		{do(bob, Candidate, 1), "[]", ErrState, Returning},
		{do(bob, Returned, 1), "[ann:sfu/1 bob:sfu/1]", nil, SFU},
		{do(bob, Returned, 1), "[]", ErrEpoch, SFU},
		{members(ann, bob), "[]", nil, SFU},
		{after(4 * time.Second), "[]", nil, SFU},
		{after(time.Second), "[ann:start/2! bob:start/2]", nil, Offering},
		{do(ann, Offer, 2), "[bob:offer/2]", nil, Offering},
		{after(20 * time.Second), "[ann:return/2,timeout bob:return/2,timeout]", nil, Returning},
		{do(bob, Failed, 2), "[]", ErrState, Returning},
		{after(10 * time.Second), "[ann:sfu/2 bob:sfu/2]", nil, SFU},
		{after(9 * time.Second), "[]", nil, SFU},
		{after(time.Second), "[ann:start/3! bob:start/3]", nil, Offering},
		{do(bob, Failed, 3), "[ann:return/3,failed bob:return/3,failed]", nil, Returning},
		{do(ann, Ready, 0), "[bob:back/3]", nil, Returning}, // it has begun anew: nothing to wait for
		{do(bob, Returned, 3), "[ann:sfu/3 bob:sfu/3]", nil, SFU},
		{do(bob, Unready, 0), "[]", nil, SFU},
		{after(time.Hour), "[]", nil, SFU},
		{do(bob, Ready, 0), "[ann:start/4! bob:start/4]", nil, Offering},
		{members(ann), "[ann:return/4,members bob:return/4,members ann:back/4]", nil, Returning},
		{do(ann, Returned, 4), "[ann:sfu/4 bob:sfu/4]", nil, SFU},
		{do(ann, "dance", 4), "[]", ErrEpoch, SFU},
	} {
		steps, err := line.act()
		if got := fmt.Sprint(told(steps)); got != line.want || !errors.Is(err, line.err) {
			t.Fatalf("line %d: told %s (%v), want %s (%v)", i, got, err, line.want, line.err)
		}
		if s, _ := p.State(); s != line.state {
			t.Fatalf("line %d: %s, want %s", i, s, line.state)
		}
	}
}

// TestMessagesAreBounded: a device floods nobody.
func TestMessagesAreBounded(t *testing.T) {
	p := New(DefaultConfig())
	p.Members(t0, []call.Device{ann, bob})
	for _, d := range []call.Device{ann, bob} {
		if _, err := p.Do(t0, d, Ready, 0); err != nil {
			t.Fatal(err)
		}
	}
	passed := 0
	for range 1000 {
		if steps, err := p.Do(t0, ann, Candidate, 1); err == nil {
			passed += len(steps)
		} else if !errors.Is(err, ErrTooMany) {
			t.Fatal(err)
		}
	}
	if passed != DefaultConfig().Candidates {
		t.Errorf("%d candidates went on, want %d", passed, DefaultConfig().Candidates)
	}
}

// device is what an honest device does, as the package comment says.
type device struct {
	name          call.Device
	epoch         uint32
	sendsSFU      bool
	sendsDirectly bool
	playsDirectly bool
	returning     bool
	peerIsBack    bool
	inbox         []Step // on their way to it, in order
	outbox        []Step // on their way from it
}

func (d *device) says(v Verb) { d.outbox = append(d.outbox, Step{Verb: v, Epoch: d.epoch}) }

func (d *device) hear(s Step) {
	switch s.Verb {
	case Start:
		d.epoch, d.returning, d.peerIsBack = s.Epoch, false, false
		if s.Offers {
			d.says(Offer)
		}
	case Offer:
		d.says(Answer)
		d.sendsDirectly = true
	case Answer:
		d.sendsDirectly = true
	case Moved:
		d.sendsSFU = false
	case Return:
		d.sendsSFU, d.returning = true, true
		d.says(Back)
	case Back:
		d.peerIsBack = true
	case Over:
		d.sendsSFU, d.sendsDirectly, d.playsDirectly, d.returning = true, false, false, false
	}
}

// TestNothingIsPlayedThatIsNotSent: in any interleaving of two honest devices
// with delays, failures, members that come and go and time that passes, what one
// plays the other is sending, epochs only rise, and the path never stands still
// for good.
func TestNothingIsPlayedThatIsNotSent(t *testing.T) {
	directly := 0
	for seed := range uint64(2000) {
		directly += playAtRandom(t, seed)
		if t.Failed() {
			return
		}
	}
	if directly < 2000 {
		t.Errorf("only %d moves to the direct path in 2000 runs: the test shows little", directly)
	}
}

func playAtRandom(t *testing.T, seed uint64) (moves int) {
	random := rand.New(rand.NewPCG(seed, 7))
	config := DefaultConfig()
	p, now, third := New(config), t0, false
	pair := [2]*device{{name: ann, sendsSFU: true}, {name: bob, sendsSFU: true}}
	var log []string
	deliver := func(steps []Step) {
		for _, s := range steps {
			for _, d := range pair {
				if d.name == s.To {
					d.inbox = append(d.inbox, s)
				}
			}
			if s.Verb == Moved {
				moves++
			}
		}
	}
	deliver(p.Members(now, []call.Device{ann, bob}))
	for _, d := range pair {
		d.says(Ready)
	}
	for range 300 {
		i := random.IntN(2)
		me, other := pair[i], pair[1-i]
		before, epoch := p.State()
		what := ""
		switch n := random.IntN(100); {
		case n < 40 && len(me.inbox) > 0:
			s := me.inbox[0]
			me.inbox, what = me.inbox[1:], "hears "+string(s.Verb)
			me.hear(s)
		case n < 75 && len(me.outbox) > 0:
			s := me.outbox[0]
			me.outbox, what = me.outbox[1:], "says "+string(s.Verb)
			steps, _ := p.Do(now, me.name, s.Verb, s.Epoch)
			deliver(steps)
		case n < 85 && me.sendsDirectly && other.sendsDirectly && !me.playsDirectly && !me.returning && me.epoch == other.epoch:
			me.playsDirectly, what = true, "plays directly"
			me.says(Proven)
		case n < 93 && me.returning && me.peerIsBack && other.sendsSFU:
			me.playsDirectly, me.returning, what = false, false, "plays the SFU's"
			me.says(Returned)
		case n == 93:
			third, what = !third, "third"
			members := []call.Device{ann, bob}
			if third {
				members = append(members, eve)
			}
			deliver(p.Members(now, members))
		case n == 94 && me.epoch > 0:
			what = "fails" // says so; the path goes on for as long as the other plays it
			me.says(Failed)
		case n == 95 || n == 96:
			// Slower than the deadlines, which cut off who does not answer.
			now, what = now.Add(time.Duration(random.IntN(3000))*time.Millisecond), "time"
			if state, _ := p.State(); state == SFU {
				deliver(p.Tick(now))
			}
		}
		log = append(log, fmt.Sprint(me.name.User, " ", what))
		state, after := p.State()
		if after < epoch || (after > epoch && before != SFU) {
			t.Fatalf("seed %d: epoch %d in %s became %d", seed, epoch, before, after)
		}
		for k, d := range pair {
			peer := pair[1-k]
			if d.playsDirectly && !peer.sendsDirectly && len(d.inbox) == 0 && state != Returning {
				t.Fatalf("seed %d: %s plays the direct path, on which %s sends nothing\n%v", seed, d.name.User, peer.name.User, log[max(0, len(log)-40):])
			}
			if !d.playsDirectly && !peer.sendsSFU {
				t.Fatalf("seed %d: %s plays the SFU's path, on which %s sends nothing\n%v", seed, d.name.User, peer.name.User, log[max(0, len(log)-40):])
			}
		}
		if next := p.Next(); (state == Offering || state == Returning) && next.IsZero() {
			t.Fatalf("seed %d: %s has no deadline", seed, state)
		}
	}
	return moves
}

// FuzzPath: whatever a hostile device says, nothing goes on that is not of the
// epoch, and every state but the resting ones has a deadline.
func FuzzPath(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 2, 1, 3, 1, 5, 1})
	verbs := []Verb{Back, Ready, Unready, Offer, Answer, Candidate, Proven, Failed, Returned, Start, "x"}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, now := New(DefaultConfig()), t0
		p.Members(now, []call.Device{ann, bob})
		for len(b) >= 2 {
			from, verb, epoch := []call.Device{ann, bob, eve}[b[0]%3], verbs[int(b[0]/3)%len(verbs)], uint32(b[1]%8)
			now = now.Add(time.Duration(b[1]) * 10 * time.Millisecond)
			steps, _ := p.Do(now, from, verb, epoch)
			steps = append(steps, p.Tick(now)...)
			if b[1]%16 == 15 {
				steps = append(steps, p.Members(now, []call.Device{ann, bob, eve}[:1+b[0]%3])...)
			}
			_, current := p.State()
			for _, s := range steps {
				if s.Epoch > current || s.To == (call.Device{}) {
					t.Fatalf("told %+v in epoch %d", s, current)
				}
			}
			if s, _ := p.State(); (s == Offering || s == Returning) && p.Next().IsZero() {
				t.Fatalf("%s has no deadline", s)
			}
			b = b[2:]
		}
	})
}

package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Uplink is what is seen of a publisher's way to us.
type Uplink struct {
	// Received and Lost count packets of the voice since it began.
	Received, Lost uint64
	// Rate is what arrives of the voice now, in wire bits per second.
	Rate units.Rate
	// Queue is how long its packets wait on their way; see Delay.
	Queue time.Duration
	// RTT is the round trip, 0 while it is not known.
	RTT time.Duration
	// Down is what the way from us to it is estimated to carry, 0 while that is not
	// known: no network is much wider up than down.
	Down units.Rate
	// Overhead is what each of its packets adds on the wire.
	Overhead units.Size
	// Video says that pictures come on the same way: then the queue is theirs,
	// and their sender's to empty.
	Video bool
	// Opaque says that it is encrypted end to end: copies could not be taken out
	// here for who has lost nothing, so none are asked for.
	Opaque bool
	// Unheard says that nobody receives it: what receivers have room for then is
	// no bound that somebody met, and holds no longer than until one comes.
	Unheard bool
}

const (
	// firstRung is where everybody begins: 12 kbit/s in 60 ms packets are 20
	// to 22 on the wire. farRung is as high as it goes with round trips of 800
	// ms and more, which only the thinnest networks have, from veryFarRTT on in
	// packets of farPacket: 12 on the wire while somebody speaks. What they add is
	// little beside such a way.
	firstRung, farRung = 3, 2
	farRTT             = 800 * time.Millisecond
	// farPacket is not for those whose round trip is long for a while, as on GPRS
	// when a call begins.
	farPacket  = 120 * time.Millisecond
	veryFarRTT = time.Second
	// lateRTT is the round trip from which on it is not asked for more either than that
	// unless wideDown shows that the network is not a thin one: what is too much
	// there is seen so late that half a second of queue stands by then.
	lateRTT, wideDown = 400 * time.Millisecond, 100 * units.Kbps
	// nearRTT is that of a network which is not thin: the way up is short.
	nearRTT = 200 * time.Millisecond

	// A queue of more than queued is too much: somebody waits for it. One of
	// less than calm is none.
	queued, calm = 150 * time.Millisecond, 60 * time.Millisecond
	// drowned is the queue from which on voice gives way beside pictures too.
	drowned = 700 * time.Millisecond
	// fits is the share of what arrives through a full queue that is asked for.
	fits = 0.85

	// soonUp and laterUp are how long a way must be calm before more is asked
	// of it: while nothing is known, and once its limit was met.
	soonUp, laterUp = 1500 * time.Millisecond, 6 * time.Second
	// unknownUp is how long a voice must be heard before more is asked of a way
	// whose round trip nobody has told: 24 kbit/s were asked of phones on 2G
	// before their first report, which takes Chromium up to 6 s (RFC 3550 §6.2).
	unknownUp = 8 * time.Second
	// slowJoin is how long it takes from the decision to the first packet only where
	// the way is thin or far: the handshakes left a queue there, of half a second on
	// GPRS, which no packet of sound has seen the end of. Voice begins with the
	// least, 10 kbit/s on the wire, which lets it drain.
	slowJoin = 1500 * time.Millisecond
	// patience is how long a queue may take to drain before still less is asked.
	patience = 2 * time.Second
	// firstHold and lastHold bound how long a rung is not tried again that was
	// too much; it doubles.
	firstHold, lastHold = 15 * time.Second, 2 * time.Minute
	// wantAfter is how long receivers must want more before it is asked for.
	wantAfter = 4 * time.Second

	// filledShare is the share of what was asked for that must come before more
	// is asked for: coders spend less than they may on most sounds.
	filledShare = 0.55

	// redFrom is the loss from which on copies are asked for where lost packets
	// come back too late, redAnyway where they do not.
	redFrom, redAnyway = 0.03, 0.12
	// redRate and redPacket are what is asked for with copies: 33 kbit/s on the
	// wire.
	redRate, redPacket = 12 * units.Kbps, 60 * time.Millisecond
	// fecRate is the rate from which on the coder's own redundancy holds
	// anything, fecFrom the loss from which on it is worth it.
	fecRate, fecFrom = 16 * units.Kbps, 0.02
	// dtxRate is the rate up to which silence is not to be sent.
	dtxRate = 16 * units.Kbps
)

// Reason says what a publisher's voice is bounded by; for operators.
type Reason uint8

// Reasons.
const (
	Unbounded   Reason = iota
	Beginning          // its way is not known yet
	ThinUplink         // its way carries no more
	ByReceivers        // nobody can receive more
)

var reasonNames = [...]string{"unbounded", "beginning", "uplink", "receivers"}

// String is the reason as operators read it.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Publisher decides what one publisher's voice is to be: as good as the best
// receiver can use and the way to us carries. Less is asked for at once, more
// only after a while.
type Publisher struct {
	rung    int
	ceiling int // highest rung that may be tried
	limited bool
	made    time.Time // when it was first decided
	begun   time.Time // when the first packet was seen; zero = none yet
	slow    bool      // that was late or the way is far, and no more was asked since
	moved   time.Time // when the rung last changed
	quietAt time.Time // the way is calm since then
	tryAt   time.Time // when the ceiling may be raised
	hold    time.Duration

	loss           Loss
	redundant      bool
	opaque         bool
	thin           bool // its way is late or far, and so to be taken for thin
	rtt            time.Duration
	peak           units.Rate // the most that arrived since the rung changed
	received, lost uint64

	unheard  bool       // at the last look
	wanted   units.Rate // by receivers, 0 = no bound
	wantedAt time.Time  // when they began to want more
	ask      Ask
	reason   Reason
}

// NewPublisher answers a decision for a voice that begins now.
func NewPublisher(now time.Time) *Publisher {
	p := &Publisher{rung: firstRung, ceiling: top, made: now, moved: now, quietAt: now, hold: firstHold}
	p.ask, p.reason = p.decide(), Beginning
	return p
}

// NewFarPublisher answers one for a voice whose client knows that its way is far. It
// begins with the least, as after a slow join: what is said first would stand behind
// the handshakes of a thin way.
func NewFarPublisher(now time.Time) *Publisher {
	p := NewPublisher(now)
	p.rung, p.slow = 0, true
	p.ask = p.decide()
	return p
}

// Ask is what the publisher is to encode now.
func (p *Publisher) Ask() Ask { return p.ask }

// Reason is what bounds it.
func (p *Publisher) Reason() Reason { return p.reason }

// Update takes what is seen of the way, and how much payload the best receiver
// has room for (0 = any), and says whether Ask has changed. Call it twice a
// second.
func (p *Publisher) Update(now time.Time, u Uplink, room units.Rate) (changed bool) {
	p.rtt, p.opaque = u.RTT, u.Opaque
	p.peak = max(p.peak, u.Rate)
	if p.begun.IsZero() && u.Received > 0 {
		p.begin(now)
	}
	p.count(now, u)
	p.follow(now, u)
	p.want(now, room, u.Unheard)
	was := p.ask
	p.ask = p.decide()
	switch bounded := p.wanted > 0 && p.wanted < rungs[p.rung].rate; {
	case bounded:
		p.reason = ByReceivers
	case p.rung == top:
		p.reason = Unbounded
	case p.limited:
		p.reason = ThinUplink
	default:
		p.reason = Beginning
	}
	return p.ask != was
}

// begin takes the first packet. What passed since the decision was made was spent on
// joining: that a way was silent says nothing of it.
func (p *Publisher) begin(now time.Time) {
	p.begun, p.moved, p.quietAt = now, now, now
	if p.slow = p.slow || now.Sub(p.made) > slowJoin; p.slow {
		p.move(now, 0)
	}
}

// count notes what was lost where no queue explains it.
func (p *Publisher) count(now time.Time, u Uplink) {
	got, missed := u.Received-p.received, u.Lost-p.lost
	if u.Received < p.received || u.Lost < p.lost {
		got, missed = 0, 0 // it began anew, or what was lost has come
	}
	p.received, p.lost = u.Received, u.Lost
	if u.Queue <= queued && got > 0 {
		p.loss.Note(now, float64(got), float64(missed))
	}
}

// follow moves the rung by the queue on the way.
func (p *Publisher) follow(now time.Time, u Uplink) {
	highest := top
	p.thin = u.RTT >= farRTT || u.RTT >= lateRTT && u.Down < wideDown
	if p.thin {
		highest = farRung
		if p.rung > farRung {
			p.limited = u.RTT >= farRTT
			p.move(now, farRung)
		}
	}
	limit := queued
	if u.Video {
		limit = drowned
	}
	if u.Queue > limit {
		p.quietAt = now
		if p.limited && now.Sub(p.moved) < patience {
			return // what was asked for less needs time to arrive
		}
		p.lower(now, u)
		return
	}
	if u.Queue > calm {
		p.quietAt = now
		return
	}
	if !p.tryAt.IsZero() && !now.Before(p.tryAt) {
		p.tryAt, p.ceiling = time.Time{}, min(p.ceiling+1, top)
	}
	highest = min(highest, p.ceiling)
	wait := soonUp
	if p.limited {
		wait = laterUp
	}
	if u.RTT == 0 && now.Sub(p.begun) < unknownUp {
		return
	}
	// Nothing is learnt from silence: what was asked for must come.
	if p.rung >= highest || now.Sub(p.quietAt) < wait || now.Sub(p.moved) < wait || !p.filled(u) {
		return
	}
	next := p.rung + 1
	if p.slow {
		next = farRung
	}
	if u.RTT > 0 && u.RTT < nearRTT && !p.limited {
		next = max(next, firstRung) + 2
	}
	p.slow = false
	p.move(now, min(next, highest))
	if p.ceiling < top && p.rung == p.ceiling && p.tryAt.IsZero() {
		p.tryAt = now.Add(p.hold)
	}
}

// lower asks for what has been seen to arrive, and remembers what was too much.
func (p *Publisher) lower(now time.Time, u Uplink) {
	p.ceiling = max(p.rung-1, 0)
	if p.limited {
		p.hold = min(2*p.hold, lastHold)
	}
	p.tryAt = now.Add(p.hold)
	p.limited = true
	next := max(p.rung-1, 0)
	for next > 0 && rungs[next].wire(u.Overhead) > u.Rate.Scale(fits) {
		next--
	}
	p.move(now, next)
}

func (p *Publisher) move(now time.Time, to int) {
	if to != p.rung {
		p.rung, p.moved, p.peak = to, now, 0
	}
}

// filled says whether about what was asked for has come since: somebody spoke,
// and was not held back by his own estimate.
func (p *Publisher) filled(u Uplink) bool {
	if p.wanted > 0 && p.wanted < rungs[p.rung].rate {
		return false // what would be learnt of a rung that is not filled
	}
	return p.peak >= p.ask.wire(u.Overhead).Scale(filledShare)
}

// want follows what receivers have room for.
func (p *Publisher) want(now time.Time, room units.Rate, unheard bool) {
	if p.unheard && !unheard {
		p.wanted = 0 // it goes on from the rung that it has
	}
	p.unheard = unheard
	if room > 0 {
		room = quantize(room)
	}
	more := p.wanted > 0 && (room == 0 || room > p.wanted)
	switch {
	case !more:
		p.wanted, p.wantedAt = room, time.Time{}
	case p.wantedAt.IsZero():
		p.wantedAt = now
	case now.Sub(p.wantedAt) >= wantAfter:
		p.wanted, p.wantedAt = room, time.Time{}
	}
}

// decide puts the ask together.
func (p *Publisher) decide() Ask {
	r := rungs[p.rung]
	a := Ask{MaxRate: r.rate, Packet: r.packet}
	if p.rtt >= veryFarRTT {
		a.Packet = farPacket
	}
	if p.wanted > 0 {
		a.MaxRate = min(a.MaxRate, p.wanted)
	}
	loss := p.loss.Share()
	from := redFrom
	if p.rtt > 0 && p.rtt < nearRTT { // what is lost is sent again in time
		from = redAnyway
	}
	if p.redundant {
		from /= 2
	}
	if p.redundant = loss >= from && !p.opaque; p.redundant {
		// Twice the sound has to fit where once as much did.
		rate, limited := quantize(min(a.MaxRate, redRate)), p.limited || p.thin
		if limited {
			rate = quantize(a.MaxRate / 2)
		}
		if !limited || 2*rate <= a.MaxRate {
			a.MaxRate, a.Packet, a.Redundancy = rate, max(a.Packet, redPacket), 1
		}
	}
	a.DTX = a.MaxRate <= dtxRate
	a.FEC = a.Redundancy == 0 && a.MaxRate >= fecRate && loss >= fecFrom
	return a
}

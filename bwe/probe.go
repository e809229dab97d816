package bwe

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	probeFirstWait = 1500 * time.Millisecond // after a probe that found nothing
	// Probes that go on finding nothing are spaced so that they cost no more
	// than probeCost of the path, but no further apart than probeLongestWait: a
	// path that has become wider is to be found out within seconds, and on all
	// but the thinnest the waits stay there.
	probeCost        = 0.025
	probeLongestWait = 10 * time.Second
	// A pair of packets that arrive together may have met in a radio's slot:
	// fewer than probeSure raise the estimate by no more than probePair.
	probeSure    = 3
	probePair    = 1.5
	probeShare   = 0.9  // delivered/sent at and above which a probe got through
	probeLeast   = 1000 // bytes: fewer measure nothing
	probeLongest = 150 * time.Millisecond
	probePackets = 4 // full packets a probe may hold below thinProbe
	thinProbe    = 300 * units.Kbps
	// The first train measures a path of which nothing is known: as many bytes
	// as 20 kbit/s carry in a third of a second, somewhat faster than a call
	// would begin with.
	trainSize = units.Size(800)
	trainRate = 1.2
	// trainPacket is the largest packet a train may have to be made of.
	trainPacket = units.Size(1200)
)

// probing runs one probe at a time: a cluster of packets faster than the
// estimate, whose spacing on arrival tells what the path carries.
type probing struct {
	ask     Probe // being sent; zero otherwise
	id      uint16
	rate    units.Rate
	began   int64
	sending bool
	train   bool // asks whose queue it is
	waiting bool // sent, not all reported
	full    bool // beside media that fills a thin path: what it adds counts
	carried bool // a packet of that media was no part of what was asked for

	first, last int64 // sequences sent
	sentFrom    int64
	sentTo      int64
	sentBytes   int64
	firstSize   int64

	reported   int64
	count      int64 // packets that came
	gotFrom    int64 // arrival of the first that came
	gotTo      int64
	gotFromSet int64 // its send time
	gotToSet   int64
	gotBytes   int64 // without the first
	gotFirst   int32 // bytes of the first
	lost       int64

	next   int64         // no probe before
	pause  time.Duration // after the next one that finds nothing
	failed bool          // the last one found nothing
	spent  units.Size    // on the last one
}

// outcome is what a finished probe found.
type outcome struct {
	rate    units.Rate    // what the path was shown to carry
	in      units.Rate    // at which it was sent
	size    units.Size    // what came after the first, and what was lost of it by chance
	span    time.Duration // in which it came, no shorter than it was sent
	through bool          // it was the probe's rate, not the path, that was the limit
	ok      bool          // enough came to say anything
}

func (p *probing) active() bool { return p.sending || p.waiting }

// start asks for a cluster.
func (p *probing) start(now int64, rate units.Rate, size units.Size) {
	id := p.id + 1
	if id == 0 {
		id = 1
	}
	*p = probing{
		ask: Probe{ID: id, Rate: rate, Size: size}, id: id, rate: rate, began: now, sending: true,
		first: -1, next: p.next, pause: p.pause, failed: p.failed, spent: size,
	}
}

// onSent notes a packet of the cluster; media says that it is no padding.
func (p *probing) onSent(now int64, s *sent, media bool) {
	if s.probe != p.id || !p.sending {
		return
	}
	if p.first < 0 {
		p.first, p.sentFrom, p.firstSize = s.sequence, now, int64(s.size)
	}
	if p.first == s.sequence && p.train && s.size > int32(p.ask.Size/5) {
		// The first packet measures nothing, and a train of media may be no more.
		p.ask.Size += units.Size(s.size)
	} else if p.full && media && !p.carried {
		p.ask.Size, p.carried = p.ask.Size+units.Size(s.size), true // it would have been sent anyway
	}
	p.last, p.sentTo = s.sequence, now
	p.sentBytes += int64(s.size)
	if p.sentBytes >= int64(p.ask.Size) {
		p.finishSending()
	}
}

func (p *probing) finishSending() {
	p.sending, p.waiting, p.ask = false, p.first >= 0, Probe{}
}

// onReport notes what became of a packet of the cluster.
func (p *probing) onReport(s *sent, came bool, arrival int64) {
	if s.probe != p.id || !p.active() || p.first < 0 {
		return
	}
	p.reported++
	if !came {
		p.lost++
		return
	}
	if p.count == 1 && p.full && s.size < p.gotFirst/2 {
		// The first is served while the others are sent, whatever the path carries: a
		// large one makes their spacing a long one.
		p.count = 0
	}
	if p.count == 0 {
		p.gotFirst = s.size
		p.gotFrom, p.gotTo = arrival, arrival
		p.gotFromSet, p.gotToSet = s.at, s.at
	} else {
		p.gotBytes += int64(s.size)
		p.gotTo = max(p.gotTo, arrival)
		p.gotToSet = max(p.gotToSet, s.at)
	}
	p.count++
}

// clustered says that the cluster left about as it was asked for.
func (p *probing) clustered() bool {
	span := time.Duration(p.sentTo - p.sentFrom)
	return span > 0 && units.Size(p.sentBytes-p.firstSize).Over(span) > p.rate/2
}

// overdue says that a cluster is taking too long to be sent or reported; answer is
// how long a report may take.
func (p *probing) overdue(now int64, answer time.Duration) bool {
	switch {
	case p.sending:
		return now-p.began > int64(p.ask.Size.At(p.ask.Rate)*4+200*time.Millisecond)
	case p.waiting:
		return now-p.sentTo > int64(answer+500*time.Millisecond)
	}
	return false
}

// deadline is when overdue becomes true; 0 when nothing is under way.
func (p *probing) deadline(answer time.Duration) int64 {
	switch {
	case p.sending:
		return p.began + int64(p.ask.Size.At(p.ask.Rate)*4+200*time.Millisecond) + 1
	case p.waiting:
		return p.sentTo + int64(answer+500*time.Millisecond) + 1
	}
	return 0
}

// outcome judges the cluster. base is the estimate before, link the share that
// the link loses anyway, noise how far arrival times wander.
func (p *probing) outcome(base units.Rate, link float64, noise time.Duration) outcome {
	sentSpan := time.Duration(p.gotToSet - p.gotFromSet)
	gotSpan := time.Duration(p.gotTo - p.gotFrom)
	if p.count < 2 || sentSpan <= 0 {
		return outcome{}
	}
	share := float64(p.lost) / float64(p.lost+p.count)
	o := outcome{ok: true, span: max(sentSpan, gotSpan)}
	// As many may be missing by the link's own loss, by chance (two deviations).
	own := min(share, link+2*math.Sqrt(link*(1-link)/float64(p.lost+p.count)))
	b := units.Size(float64(p.gotBytes) / (1 - min(max(own, link), 0.9)))
	in := min(b.Over(sentSpan), p.rate.Scale(1.1))
	o.in, o.size = in, b
	out := b.Over(max(gotSpan, time.Millisecond/4))
	if share > link+0.25 {
		// What is lost on the way through a full queue was not carried.
		o.rate = min(in, out).Scale(1 - share)
		return o
	}
	// Jitter stretches a short cluster without being a bottleneck.
	slack := min(2*noise, sentSpan/4)
	if float64(sentSpan) >= probeShare*float64(gotSpan-slack) {
		if p.count < probeSure {
			in = min(in, base.Scale(probePair))
		}
		o.rate, o.through = in, true
		return o
	}
	if p.count < probeSure && noise > sentSpan/4 {
		return outcome{} // one gap, and jitter as long
	}
	o.rate = min(in, out)
	return o
}

// failedNow backs off after a probe that found nothing, or that told nothing:
// then first is shorter, for it may be told soon.
func (p *probing) failedNow(now int64, first time.Duration, capacity units.Rate) {
	p.pause = max(p.pause, first)
	p.next = now + int64(p.pause)
	dearest := max(p.spent.At(capacity.Scale(probeCost)), first)
	p.pause = min(2*p.pause, dearest, probeLongestWait)
}

// stop ends whatever is under way.
func (p *probing) stop() { p.sending, p.waiting, p.ask = false, false, Probe{} }

// probeSize is how much may be sent at rate without causing more than queue
// at capacity, were capacity all there is.
func probeSize(rate, capacity units.Rate, queue time.Duration) units.Size {
	if rate <= capacity || capacity <= 0 {
		return rate.In(probeLongest)
	}
	// size/capacity - size/rate = queue
	perByte := 8/float64(capacity) - 8/float64(rate)
	size := units.Size(queue.Seconds() / perByte)
	size = min(size, rate.In(probeLongest))
	if capacity < thinProbe {
		size = min(size, probePackets*1200)
	}
	return max(size, probeLeast)
}

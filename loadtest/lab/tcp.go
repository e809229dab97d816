package lab

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// A full segment and an acknowledgement with time stamps, on IPv4.
	segmentSize units.Size = 1500
	ackSize     units.Size = 52
	// initialWindow is RFC 6928's.
	initialWindow = 10
	// receiveWindow is how many segments may be outstanding: about the 6 MB to
	// which Linux lets a receiver's window grow.
	receiveWindow = 4096
	// mostOverhead bounds the random time that a sender takes over a segment.
	mostOverhead = 50 * time.Millisecond
)

// Events of a TCP sender: a timeout, the start of a transfer, and the end of a
// pause between two paced segments; ackTimer is its receiver's.
const (
	timeout  = wake
	resume   = report
	paced    = hop
	ackTimer = wake
)

// segment is one that was sent and is not acknowledged with all before it.
type segment struct {
	sent   time.Duration // last
	sacked bool
	lost   bool // and not sent again since
	twice  bool // sent more than once: no sample of the round-trip time (Karn)
	stamp  stamp
}

// tcp is a sender with a long transfer, or short ones with pauses. Loss is
// found by selective acknowledgement (RFC 6675; of retransmissions by time,
// RFC 8985) and by timeout (RFC 6298); how much is sent is its control's. The
// handshake is left out.
//
// Between what an acknowledgement lets go and its leaving passes a random time,
// at most that of one segment on the narrowest link, order kept: two senders
// that are only clocked by one full queue else lock into phases in which one
// of them gets each free place and the other none (Floyd and Jacobson, "On
// traffic phase effects in packet-switched gateways", 1992, §3; RFC 5166 §2.9
// asks for the same of simulations).
type tcp struct {
	world    *world
	spec     TCP
	out      *route
	random   *rand.Rand
	control  control
	overhead time.Duration
	left     time.Duration // when the last segment left, or will

	first    int64 // oldest not acknowledged
	next     int64 // to be sent for the first time
	limit    int64 // of the present transfer; segments
	segments []segment
	window   float64
	flying   float64 // sent, and neither acknowledged nor lost (RFC 6675 "pipe")
	waiting  int     // lost and not sent again
	full     bool    // the window was what held it back

	recovering bool
	expired    bool  // recovery follows a timeout
	point      int64 // recovery ends when all before it are acknowledged
	sackedTo   int64 // one above the highest selectively acknowledged
	newest     newest
	srtt       time.Duration
	rttvar     time.Duration
	rto        time.Duration
	timer      time.Duration
	pause      time.Duration // paced: nothing leaves before
	pausing    bool
	pipe       pipeline

	got     units.Size // acknowledged
	resent  int64      // segments
	emitted int64
	series  []units.Size
}

// control is a congestion control.
type control interface {
	// begin is told of a new connection.
	begin(t *tcp)
	// acknowledged sets the window after an acknowledgement.
	acknowledged(t *tcp, now time.Duration, a acked)
	// recover is told that loss was found outside recovery; recovered, that all
	// sent before is acknowledged; expired, of a timeout.
	recover(t *tcp, now time.Duration, a acked)
	recovered(t *tcp, now time.Duration)
	expired(t *tcp, now time.Duration)
	// sent is told of each segment.
	sent(t *tcp)
	// pace is the rate at which segments leave; 0 = as they may.
	pace(t *tcp) units.Rate
}

// acked is what one acknowledgement told.
type acked struct {
	segments float64       // newly acknowledged, selectively or not
	found    float64       // newly found lost
	rtt      time.Duration // of the one sent last among them; 0 = sent twice
	before   float64       // flying before it
	rate     rateSample
}

func newTCP(w *world, spec TCP, seed uint64, out, back []Carrier, overhead time.Duration, bins int) *tcp {
	t := &tcp{
		world: w, spec: spec, random: rand.New(rand.NewPCG(seed, 0x746370)), timer: never,
		overhead: min(overhead, mostOverhead), series: make([]units.Size, bins),
	}
	t.control = spec.Law.control(t.random)
	end := &tcpReceiver{world: w, back: &route{world: w, links: back, to: t}, timer: never}
	t.out = &route{world: w, links: out, to: end}
	start := spec.Start + time.Duration(t.random.Int64N(int64(100*time.Millisecond)))
	if spec.Short {
		start += time.Duration(t.random.ExpFloat64() * float64(meanIdle))
	}
	w.at(start, t, resume)
	return t
}

// overheadOf is the time of a segment on the narrowest of links.
func overheadOf(configs []link.Config) time.Duration {
	var longest time.Duration
	for _, c := range configs {
		rate := c.Capacity.Mean()
		if p := c.Policer.Rate; p > 0 && (rate == 0 || p < rate) {
			rate = p
		}
		if rate > 0 {
			longest = max(longest, segmentSize.At(rate))
		}
	}
	return longest
}

// meanIdle and transfers are RFC 8867 §5.7: 30 to 50 kB, idle for 10 s.
const (
	meanIdle                        = 10 * time.Second
	leastTransfer, mostTransfer int = 30_000, 50_000
)

// begin starts a transfer, as a new connection would.
func (t *tcp) begin(now time.Duration) {
	t.window, t.rto, t.srtt, t.rttvar = initialWindow, firstRTO, 0, 0
	t.recovering, t.expired, t.segments = false, false, t.segments[:0]
	t.flying, t.waiting, t.pause, t.full = 0, 0, 0, false
	t.first, t.sackedTo, t.newest = t.next, t.next, newest{}
	t.pipe = pipeline{first: now, time: now}
	t.control.begin(t)
	t.limit = math.MaxInt64
	if t.spec.Short {
		bytes := leastTransfer + t.random.IntN(mostTransfer-leastTransfer)
		t.limit = t.next + int64((bytes+1447)/1448)
	}
}

func (t *tcp) act(now time.Duration, e *event) {
	if t.spec.Stop > 0 && now >= t.spec.Stop {
		return
	}
	switch e.kind {
	case resume:
		t.begin(now)
	case arrival:
		t.acknowledge(now, &e.p)
	case paced:
		t.pausing = false
	case timeout:
		if now != t.timer {
			return
		}
		t.timer = never
		t.expire(now)
	}
	t.send(now)
}

// acknowledge reads an acknowledgement.
func (t *tcp) acknowledge(now time.Duration, p *packet) {
	a := acked{before: t.flying}
	advanced := t.first < p.ack && len(t.segments) > 0
	var sampled bool
	for t.first < p.ack && len(t.segments) > 0 {
		s := &t.segments[0]
		if !s.sacked {
			t.deliver(now, s, t.first, &a)
			if !s.twice && !sampled { // the oldest: it waited for the acknowledgement
				sampled = true
				t.sample(now - s.sent)
			}
		}
		t.segments = t.segments[1:]
		t.first++
	}
	for _, b := range p.blocks {
		for n := max(b.from, t.first); n < min(b.to, t.next); n++ {
			if s := &t.segments[n-t.first]; !s.sacked {
				t.deliver(now, s, n, &a)
				s.sacked = true
			}
		}
		t.sackedTo = max(t.sackedTo, min(b.to, t.next))
	}
	size := units.Size(a.segments) * segmentSize
	t.got += size
	t.series[min(int(now/bin), len(t.series)-1)] += size
	a.rate = t.pipe.sample(now, &t.newest)
	if t.recovering && t.first >= t.point {
		t.control.recovered(t, now)
		t.recovering, t.expired = false, false
	}
	if a.found = t.findLosses(); a.found > 0 && !t.recovering {
		t.recovering, t.point = true, t.next
		t.control.recover(t, now, a)
	}
	if a.segments > 0 {
		t.control.acknowledged(t, now, a)
	}
	if advanced { // RFC 6298 §5.3: not for selective acknowledgements
		t.arm(now)
	}
	if t.spec.Short && a.segments > 0 && t.first >= t.limit {
		t.timer, t.limit = never, t.next // nothing until then
		t.world.at(now+time.Duration(t.random.ExpFloat64()*float64(meanIdle)), t, resume)
	}
}

// deliver notes that a segment arrived.
func (t *tcp) deliver(now time.Duration, s *segment, number int64, a *acked) {
	a.segments++
	if s.lost {
		t.waiting--
		s.lost = false
	} else {
		t.flying--
	}
	t.pipe.deliver(now, s)
	if t.newest.note(s, number) {
		a.rtt = 0
		if !s.twice {
			a.rtt = now - s.sent
		}
	}
}

// send sends what the window allows: what was lost first.
func (t *tcp) send(now time.Duration) {
	for i := 0; ; {
		lost := t.waiting > 0
		if !lost && (t.next >= t.limit || t.next-t.first >= receiveWindow) {
			t.pipe.limit(t.flying)
			t.full = false
			break
		}
		if t.flying+1 > t.window+1e-9 {
			t.full = true
			break
		}
		if rate := t.control.pace(t); rate > 0 {
			if t.pause > now {
				if !t.pausing {
					t.pausing = true
					t.world.at(t.pause, t, paced)
				}
				break
			}
			t.pause = max(t.pause, now) + segmentSize.At(rate)
		}
		if !lost {
			t.segments = append(t.segments, segment{})
			t.emit(now, t.next)
			t.next++
			continue
		}
		for !t.segments[i].lost {
			i++
		}
		t.segments[i].twice, t.segments[i].lost = true, false
		t.waiting--
		t.resent++
		t.emit(now, t.first+int64(i))
		if i == 0 {
			t.arm(now) // as Linux does: its answer cannot be there before
		}
	}
	if t.timer == never && len(t.segments) > 0 {
		t.arm(now)
	}
}

// emit sends one segment.
func (t *tcp) emit(now time.Duration, number int64) {
	s := &t.segments[number-t.first]
	s.sent = now
	s.stamp = t.pipe.stamp(now, t.flying)
	t.flying++
	t.emitted++
	t.control.sent(t)
	t.left = max(t.left, now+time.Duration(t.random.Float64()*float64(t.overhead)))
	t.world.push(event{at: t.left, to: t.out, kind: hop, p: packet{class: tcpData, size: segmentSize, number: number, sent: now}})
}

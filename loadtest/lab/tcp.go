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
	// duplicates above a segment make it lost (RFC 6675 §2).
	duplicates = 3
	// Retransmission timeouts: RFC 6298, with the least that Linux uses.
	leastRTO = 200 * time.Millisecond
	firstRTO = time.Second
	mostRTO  = 60 * time.Second
	// delayedAck is how long an acknowledgement waits for a second segment.
	delayedAck = 40 * time.Millisecond
)

// timeout and resume are the kinds of events of a TCP sender beyond wake;
// ackTimer is its receiver's.
const (
	timeout  = wake
	resume   = report
	ackTimer = wake
)

// segment is one that was sent and is not acknowledged with all before it.
type segment struct {
	sent   time.Duration
	sacked bool
	lost   bool
	again  bool // sent again since it was lost
	twice  bool // ever: no sample of the round-trip time (Karn)
}

// tcp is a sender with a long transfer, or short ones with pauses. Loss is
// found and repaired by selective acknowledgement (RFC 6675); the handshake is
// left out.
type tcp struct {
	world  *world
	spec   TCP
	out    *route
	random *rand.Rand
	law    windowLaw

	first    int64 // oldest not acknowledged
	next     int64 // to be sent for the first time
	limit    int64 // of the present transfer; segments
	segments []segment
	window   float64
	slow     float64 // slow-start threshold
	recovery bool
	point    int64 // recovery ends when it is acknowledged
	slowly   bool  // recovery from a timeout: slow start goes on in it
	highest  int64 // selectively acknowledged
	srtt     time.Duration
	rttvar   time.Duration
	rto      time.Duration
	timer    time.Duration
	got      units.Size // acknowledged
	series   []units.Size
}

// windowLaw is what differs between congestion controls.
type windowLaw interface {
	// grow answers the window after n segments were acknowledged.
	grow(now time.Duration, window float64, n float64, srtt time.Duration) float64
	// cut answers the threshold after a loss.
	cut(now time.Duration, window float64) float64
	reset()
}

func newTCP(w *world, spec TCP, seed uint64, out, back []*link.Link, bins int) *tcp {
	t := &tcp{world: w, spec: spec, random: rand.New(rand.NewPCG(seed, 0x746370)), timer: never, series: make([]units.Size, bins)}
	t.law = &reno{}
	if spec.Cubic {
		t.law = &cubic{}
	}
	end := &tcpReceiver{world: w, back: &route{world: w, links: back, to: t}, early: map[int64]bool{}, timer: never}
	t.out = &route{world: w, links: out, to: end}
	start := spec.Start + time.Duration(t.random.Int64N(int64(100*time.Millisecond)))
	if spec.Short {
		start += time.Duration(t.random.ExpFloat64() * float64(meanIdle))
	}
	w.at(start, t, resume)
	return t
}

// meanIdle and transfers are RFC 8867 §5.7: 30 to 50 kB, idle for 10 s.
const (
	meanIdle                        = 10 * time.Second
	leastTransfer, mostTransfer int = 30_000, 50_000
)

// begin starts a transfer, as a new connection would.
func (t *tcp) begin() {
	t.window, t.slow, t.rto = initialWindow, math.Inf(1), firstRTO
	t.recovery, t.slowly, t.segments = false, false, t.segments[:0]
	t.law.reset()
	t.first = t.next
	t.highest = t.next - 1
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
		t.begin()
	case arrival:
		t.acknowledge(now, &e.p)
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
	if !p.again {
		t.sample(now - p.echo)
	}
	n := 0.0
	for t.first < p.ack && len(t.segments) > 0 {
		if !t.segments[0].sacked {
			n++
		}
		t.segments = t.segments[1:]
		t.first++
	}
	if i := p.number - t.first; i >= 0 && i < int64(len(t.segments)) && !t.segments[i].sacked {
		t.segments[i].sacked = true
		t.highest = max(t.highest, p.number)
		n++
	}
	t.got += units.Size(n) * segmentSize
	t.series[min(int(now/bin), len(t.series)-1)] += units.Size(n) * segmentSize
	if t.recovery && t.first >= t.point {
		t.recovery, t.slowly = false, false
	}
	t.findLosses(now)
	if n > 0 {
		if !t.recovery || t.slowly {
			if t.window < t.slow {
				t.window = min(t.window+n, max(t.slow, t.window+1))
			} else {
				t.window = t.law.grow(now, t.window, n, t.srtt)
			}
		}
		t.arm(now)
	}
	if t.spec.Short && n > 0 && t.first >= t.limit {
		t.timer, t.limit = never, t.next // nothing until then
		t.world.at(now+time.Duration(t.random.ExpFloat64()*float64(meanIdle)), t, resume)
	}
}

// findLosses marks what enough was acknowledged above of (RFC 6675 §4).
func (t *tcp) findLosses(now time.Duration) {
	found := false
	for i := int64(0); i < int64(len(t.segments)) && t.first+i <= t.highest-duplicates; i++ {
		if s := &t.segments[i]; !s.sacked && !s.lost {
			s.lost, found = true, true
		}
	}
	if found && !t.recovery {
		t.recovery, t.point = true, t.next
		t.slow = max(2, t.law.cut(now, t.window))
		t.window = t.slow
	}
}

// expire is what a timeout does (RFC 5681 §3.1, RFC 6298 §5).
func (t *tcp) expire(now time.Duration) {
	if len(t.segments) == 0 {
		return
	}
	t.slow = max(2, t.law.cut(now, t.window))
	t.window = 1
	t.recovery, t.slowly, t.point = true, true, t.next
	t.rto = min(2*t.rto, mostRTO)
	for i := range t.segments {
		if s := &t.segments[i]; !s.sacked {
			s.lost, s.again = true, false
		}
	}
}

// send sends what the window allows: what was lost first.
func (t *tcp) send(now time.Duration) {
	flying := 0
	for i := range t.segments {
		if s := &t.segments[i]; !s.sacked && (!s.lost || s.again) {
			flying++
		}
	}
	for i := range t.segments {
		if float64(flying) >= t.window {
			break
		}
		if s := &t.segments[i]; s.lost && !s.again && !s.sacked {
			s.again, s.twice, s.sent = true, true, now
			t.emit(now, t.first+int64(i), true)
			flying++
		}
	}
	for ; float64(flying) < t.window && t.next < t.limit; flying++ {
		t.segments = append(t.segments, segment{sent: now})
		t.emit(now, t.next, false)
		t.next++
	}
	if t.timer == never && len(t.segments) > 0 {
		t.arm(now)
	}
}

func (t *tcp) emit(now time.Duration, number int64, again bool) {
	t.out.send(packet{class: tcpData, size: segmentSize, number: number, sent: now, echo: now, again: again})
}

// arm starts the retransmission timer anew.
func (t *tcp) arm(now time.Duration) {
	t.timer = never
	if len(t.segments) > 0 {
		t.timer = now + t.rto
		t.world.at(t.timer, t, timeout)
	}
}

// sample is RFC 6298 §2.
func (t *tcp) sample(rtt time.Duration) {
	if t.srtt == 0 {
		t.srtt, t.rttvar = rtt, rtt/2
	} else {
		d := t.srtt - rtt
		if d < 0 {
			d = -d
		}
		t.rttvar += (d - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	t.rto = max(leastRTO, min(t.srtt+4*t.rttvar, mostRTO))
}

// tcpReceiver acknowledges.
type tcpReceiver struct {
	world *world
	back  *route
	want  int64
	early map[int64]bool
	held  bool
	last  packet
	timer time.Duration
}

func (r *tcpReceiver) act(now time.Duration, e *event) {
	if e.kind == ackTimer {
		if now == r.timer && r.held {
			r.answer(now)
		}
		return
	}
	p := e.p
	r.last = p
	switch {
	case p.number == r.want:
		filled := false
		for r.want++; r.early[r.want]; r.want++ {
			delete(r.early, r.want)
			filled = true
		}
		if !r.held && !filled && len(r.early) == 0 {
			r.held = true
			r.timer = now + delayedAck
			r.world.at(r.timer, r, ackTimer)
			return
		}
	case p.number > r.want:
		r.early[p.number] = true
	}
	r.answer(now)
}

func (r *tcpReceiver) answer(now time.Duration) {
	r.held, r.timer = false, never
	r.back.send(packet{
		class: tcpAck, size: ackSize, sent: now,
		number: r.last.number, ack: r.want, echo: r.last.echo, again: r.last.again,
	})
}

// reno is RFC 5681's congestion avoidance.
type reno struct{}

func (*reno) grow(_ time.Duration, window, n float64, _ time.Duration) float64 {
	return window + n/window
}
func (*reno) cut(_ time.Duration, window float64) float64 { return window / 2 }
func (*reno) reset()                                      {}

// cubic is RFC 9438, without HyStart.
type cubic struct {
	most   float64 // window before the last cut
	epoch  time.Duration
	k      float64 // seconds until most is reached again
	origin float64
	est    float64 // what Reno would have
	begun  bool
}

const (
	cubicC    = 0.4
	cubicBeta = 0.7
)

func (c *cubic) reset() { *c = cubic{} }

func (c *cubic) cut(_ time.Duration, window float64) float64 {
	if window < c.most { // fast convergence, §4.7
		c.most = window * (1 + cubicBeta) / 2
	} else {
		c.most = window
	}
	c.begun = false
	return window * cubicBeta
}

func (c *cubic) grow(now time.Duration, window, n float64, srtt time.Duration) float64 {
	if !c.begun {
		c.begun, c.epoch, c.est = true, now, window
		if window < c.most {
			c.k, c.origin = math.Cbrt((c.most-window)/cubicC), c.most
		} else {
			c.k, c.origin = 0, window
		}
	}
	alpha := 3 * (1 - cubicBeta) / (1 + cubicBeta)
	if c.est >= c.most {
		alpha = 1
	}
	c.est += alpha * n / window
	t := (now - c.epoch + srtt).Seconds() - c.k
	target := c.origin + cubicC*t*t*t
	target = max(window, min(target, 1.5*window))
	return max(window+n*(target-window)/window, c.est)
}

// udp sends packets of one size at a fixed rate, whatever becomes of them.
type udp struct {
	world *world
	spec  UDP
	out   *route
}

func newUDP(w *world, spec UDP, out []*link.Link) *udp {
	u := &udp{world: w, spec: spec}
	u.out = &route{world: w, links: out, to: u}
	w.at(spec.Start, u, wake)
	return u
}

func (u *udp) act(now time.Duration, e *event) {
	if e.kind != wake || u.spec.Stop > 0 && now >= u.spec.Stop {
		return
	}
	const size = 1000
	u.out.send(packet{class: udpData, size: size, sent: now})
	u.world.at(now+units.Size(size).At(u.spec.Rate), u, wake)
}

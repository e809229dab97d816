package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// farFuture bounds times of the controller's clock, so that sums of a few do
// not overflow whatever the caller's clock does.
const farFuture = int64(1) << 61

// longestGap is how long a receiver may save for a report (one a second), and
// what a thin path delays it by.
const longestGap = 1300 * time.Millisecond

// Controller estimates one path. It belongs to one goroutine.
type Controller struct {
	cfg      Config
	ladder   Ladder
	decision Decision

	epoch   time.Time
	started bool
	now     int64 // nanoseconds since epoch; does not go back

	history  history
	delays   delays
	arrivals arrivals
	losses   losses
	probe    probing
	test     lossTest
	coarse   coarse
	compete  compete
	machine  machine
	reliable bool // loss is repaired below

	sending   meter // on our clock
	arriving  meter // on the receiver's
	arrival0  int64 // receiver's clock at the first arrival
	arrivalOK bool

	// capacity is what the path is believed to carry in sent bytes: measured
	// when the bottleneck is busy, raised step by step when it is not.
	capacity units.Rate
	learned  bool       // the path's limit was met once; startup is over
	known    units.Rate // what it carried in a call before; 0 when that is not known
	cold     bool       // nothing was measured: only the floor may be offered
	trains   int        // first trains sent in vain
	unpadded bool       // the last probe was not sent as it was asked for
	peak     units.Rate // the most that arrived over a second, forgotten slowly
	usual    units.Rate // what arrives, smoothed over some twenty reports
	proven   units.Rate // the most that was seen to arrive or a probe showed
	shown    units.Rate // what may be sent while no limit was met
	climbed  int64      // that was last raised

	rtt, minRTT  int64
	minRTTAt     int64
	trip         trip
	interval     float64 // between reports, nanoseconds, smoothed
	usualGap     float64 // the same, quick to rise: silence is judged by it
	lastFeedback int64   // 0 before the first
	feedbacks    uint64
	controlled   int64
	firstSent    int64
	firstReport  int64 // 0 before it

	queue       int64      // least wait in the bottleneck, lately
	ahead       int64      // what it will be for a packet sent now
	goal        int64      // what it may be
	calm        int64      // up to here it is no queue to speak of
	quiet       bool       // there is none
	quietSince  int64      // and was none since then
	met         units.Rate // carried while there was a queue last; 0 once it carried more
	metAt       int64      // since then it is held there
	emptied     int64      // the queue was last seen empty
	draining    int64      // a forced drain ends then; 0 when none
	drainedFrom int64      // and began then
	lowered     int64      // the target was last lowered to empty the queue
	stuckSince  int64      // our cut does not drain the queue since then
	stuckQueue  int64
	stuckFlying int64
	adopted     int64 // a queue was last taken for not ours; 0 when never
	pressing    bool  // the target is lowered to see whether it drains
	overflowed  int64 // last cut for loss in a full queue
	awaiting    int64 // oldest packet sent in a blackout that has not lapsed; 0 when none
	doubted     bool  // a silence has ended, and what the path carries is not seen yet
	doubtUpTo   int64 // last packet sent before its end
	silentUpTo  int64 // and before it was noticed
	silentRTT   int64 // minRTT then
	marked      int64 // last cut for ECN
	marks       int64 // congestion marks since
	remb        units.Rate
	rembAt      int64

	stats Stats
}

// New answers a controller that knows nothing of the path yet.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{
		cfg:      cfg,
		history:  newHistory(),
		capacity: cfg.Initial,
		interval: float64(cfg.ReportInterval),
		usualGap: float64(cfg.ReportInterval),
		cold:     true,
		reliable: cfg.Reliable,
	}
	c.machine.reason = "initial rate"
	if cfg.Known > 0 {
		c.cold, c.capacity, c.known = false, cfg.Known, cfg.Known
		c.machine.reason = "known from before"
	}
	c.delays.reset(0)
	c.losses.reset(0)
	c.decide()
	return c, nil
}

// OnSent is told of every packet that left, in order.
func (c *Controller) OnSent(now time.Time, p SentPacket) {
	t := c.clock(now)
	if !c.history.add(t, p) {
		c.stats.Refused++
		return
	}
	if c.firstSent == 0 {
		c.firstSent = t
	}
	if c.awaiting == 0 {
		c.awaiting = t
	}
	c.sending.add(t, int64(p.Size))
	if p.Probe != 0 {
		c.probe.onSent(t, c.history.slot(p.Sequence), p.Kind != Padding)
		if c.decision.Probe.ID != 0 {
			c.decision.Probe = c.probe.ask // sent, or a little larger
		}
	}
}

// OnFeedback is told what the receiver saw of packets sent before.
func (c *Controller) OnFeedback(now time.Time, reports []PacketReport) Decision {
	t := c.clock(now)
	awaited := max(c.lastFeedback, c.history.oldest)
	if c.silenced() {
		c.arrivals.reset() // the silence is no delivery rate
	}
	fresh, came := c.read(t, reports)
	if !fresh {
		return c.tick(t)
	}
	if c.lastFeedback != 0 {
		// While nothing was sent nothing was to be reported.
		d := min(float64(t-awaited), float64(2*time.Second))
		c.interval += (d - c.interval) * 0.1
		// A receiver that reports by the rate may take its time soon: at once
		// to more patience, slowly back. So it is after a silence that was no longer
		// than a receiver may take, or every report would end another one.
		if d > c.usualGap && (!c.silenced() || d <= float64(longestGap)) {
			c.usualGap += (d - c.usualGap) * 0.5
		} else {
			c.usualGap += (min(d, c.usualGap) - c.usualGap) * 0.1
		}
	}
	c.lastFeedback = t
	if c.feedbacks++; c.firstReport == 0 {
		c.firstReport = t
	}
	c.leaveCoarse()
	if c.silenced() && came {
		c.leaveBlackout(t)
	}
	c.control(t)
	return c.tick(t)
}

// OnLost is told that a packet was lost, before a report says so: its receiver has
// asked for it, and it goes again under its own number, of which no report can
// tell any more which of the two came. Without it loss that is repaired would be
// none, and a test whose the loss is would always find that it ends.
func (c *Controller) OnLost(now time.Time, sequence int64) {
	t := c.clock(now)
	if p := c.history.find(sequence); p != nil && p.fate == inFlight {
		p.fate = lost
		c.losses.note(true, p.at)
		c.probe.onReport(p, false, 0)
		c.stats.Reports++
	}
	c.tick(t)
}

// OnTick lets time pass; call it no later than Next.
func (c *Controller) OnTick(now time.Time) Decision { return c.tick(c.clock(now)) }

func (c *Controller) tick(t int64) Decision {
	c.sending.advance(t)
	if c.probe.overdue(t, c.answer()) {
		c.finishProbe(t)
	}
	if c.silent(t) {
		c.enterBlackout(t)
	}
	c.listen(t)
	c.tickCoarse(t)
	c.maybeProbe(t)
	c.decide()
	return c.decision
}

// OnRouteChange says that packets take another path now (a new ICE pair):
// delays, losses and the limit are unknown again; the rate is kept only as far
// as a new call would begin with.
func (c *Controller) OnRouteChange(now time.Time) {
	t := c.clock(now)
	if c.history.newest < 0 {
		return // the first path: nothing is known of another
	}
	c.delays.reset(t)
	c.arrivals.reset()
	c.losses.reset(t)
	c.arriving.reset()
	c.probe.stop()
	c.probe.next, c.probe.pause, c.probe.failed = t, 0, false
	c.test = lossTest{}
	c.compete = compete{}
	c.capacity = min(c.capacity, c.cfg.Initial)
	c.learned, c.arrivalOK = false, false
	c.cold, c.trains, c.known = true, 0, 0
	c.usual, c.proven, c.shown, c.rtt, c.minRTT = 0, 0, 0, 0, 0
	c.trip, c.doubted = trip{}, false
	c.met, c.metAt = 0, 0
	c.queue, c.ahead, c.draining, c.stuckSince = 0, 0, 0, 0
	c.pressing = false
	c.quietSince, c.emptied = t, t
	c.lastFeedback, c.firstSent, c.firstReport = 0, 0, 0
	c.history.abandon()
	if !c.machine.apply(moved) && !c.coarsely() {
		c.machine.reason = "route changed"
	}
	c.decide()
}

// SetKnown says what the path carried in a session before, as Config.Known does,
// once it is known which path it is: at the beginning or after OnRouteChange. It
// answers false, and does nothing, once packets were sent there, and for a rate of 0.
func (c *Controller) SetKnown(now time.Time, rate units.Rate) bool {
	c.clock(now)
	if !c.cold || c.firstSent != 0 || rate <= 0 || c.coarsely() {
		return false
	}
	c.capacity = c.bound(rate)
	c.cold, c.known = false, c.capacity
	c.machine.reason = "known from before"
	c.decide()
	return true
}

// SetLadder says what the allocator could use.
func (c *Controller) SetLadder(now time.Time, l Ladder) {
	t := c.clock(now)
	more := l.Next > c.ladder.Next || l.Full > c.ladder.Full
	c.ladder = Ladder{Base: max(0, l.Base), Next: max(0, l.Next), Full: max(0, l.Full)}
	if more && !c.probe.failed {
		c.probe.next = min(c.probe.next, t)
	}
	c.decide()
}

// Next is when OnTick wants to be called; zero means not before something
// else happens.
func (c *Controller) Next() time.Time {
	if !c.started {
		return time.Time{}
	}
	next := int64(never)
	if d := c.silentAt(); d != 0 {
		next = min(next, d)
	}
	if c.silenced() && c.history.flying() > 0 {
		next = min(next, max(c.awaiting+c.patience(), c.now+1))
	}
	if d := c.probe.deadline(c.answer()); d != 0 {
		next = min(next, d)
	} else if c.probe.next > c.now && c.wanted() > 0 && !c.silenced() {
		next = min(next, c.probe.next)
	}
	if d := c.asksAt(); d > c.now {
		next = min(next, d)
	}
	if d := c.coarseDeadline(); d != 0 {
		next = min(next, d)
	}
	if next == never {
		return time.Time{}
	}
	return c.epoch.Add(time.Duration(min(next, farFuture)))
}

// Full says that as much is unacknowledged as the Window allows: video,
// retransmissions and padding should wait, voice need not.
func (c *Controller) Full() bool { return units.Size(c.history.flying()) > c.decision.Window }

// State is what the controller is doing.
func (c *Controller) State() State { return c.decision.State }

// Decision is the last one made.
func (c *Controller) Decision() Decision { return c.decision }

// Stats is what is known of the path.
func (c *Controller) Stats() Stats {
	s := c.stats
	s.RTT, s.MinRTT = time.Duration(c.rtt), time.Duration(c.minRTT)
	s.Loss, s.LinkLoss = c.losses.recent, c.losses.link
	if c.coarsely() {
		s.Loss = c.coarse.loss
	}
	s.QueueDelay = time.Duration(c.queue)
	s.Delivered, s.Sent = c.arriving.rate(), c.sending.rate()
	if c.learned {
		s.Capacity = c.capacity
	}
	s.Target, s.State = c.decision.Target, c.decision.State
	s.Reliable = c.reliable
	s.InFlight = units.Size(c.history.flying())
	return s
}

// clock answers now on the controller's own clock, which begins at 1 and does
// not go back. Where the caller's clock is set back or far forward, the epoch
// moves with it: time stands still, or goes on by clockLeap.
func (c *Controller) clock(now time.Time) int64 {
	if !c.started {
		c.started, c.epoch, c.now = true, now.Add(-1), 1
		c.delays.paired = c.reliable
		c.delays.reset(1)
		c.losses.reset(1)
		c.quietSince, c.emptied, c.controlled = 1, 1, 1
	}
	t := int64(now.Sub(c.epoch)) // saturates
	switch {
	case t < c.now-int64(clockBack):
		t = c.now
		c.epoch = now.Add(-time.Duration(t))
	case t-c.now > int64(clockLeap):
		t = min(c.now+int64(clockLeap), farFuture)
		c.epoch = now.Add(-time.Duration(t))
	}
	c.now = max(c.now, min(t, farFuture))
	return c.now
}

const (
	// clockBack is how far callers' readings may be out of order; more is a
	// clock that was set back, and waiting for it to catch up would stop the
	// controller for as long.
	clockBack = time.Second
	// clockLeap is the longest pause taken at its word: every memory of the
	// path is older than its use long before.
	clockLeap = time.Hour
)

// response is how long it takes until a change of rate is seen in a report.
func (c *Controller) response() time.Duration {
	return time.Duration(c.minRTT) + time.Duration(c.interval)
}

// answer is how long the report on a packet may take that leaves now: through a
// queue as long as the last ones met.
func (c *Controller) answer() time.Duration {
	return max(2*c.response(), time.Duration(c.rtt+c.rtt/4))
}

// packetTime is what a full packet lasts at the estimate.
func (c *Controller) packetTime() time.Duration {
	size := c.history.largest
	if size == 0 {
		size = 1200
	}
	return min(size.At(c.capacity), time.Second)
}

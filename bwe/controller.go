package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Controller estimates one path. It belongs to one goroutine.
type Controller struct {
	cfg      Config
	decision Decision
	ladder   Ladder
	stats    Stats
}

// New answers a controller that knows nothing of the path yet.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg}
	c.decision = Decision{
		Target: cfg.Initial,
		Pacing: cfg.Initial.Scale(cfg.Headroom),
		State:  Startup,
		Reason: "initial rate",
	}
	return c, nil
}

// OnSent is told of every packet that left, in order.
func (c *Controller) OnSent(now time.Time, p SentPacket) {}

// OnFeedback is told what the receiver saw of packets sent before.
func (c *Controller) OnFeedback(now time.Time, reports []PacketReport) Decision { return c.decision }

// OnReceiverReport is told of an RTCP receiver report: the share of packets
// lost since the last one (0 to 1) and the round-trip time (0 = unknown).
func (c *Controller) OnReceiverReport(now time.Time, lossFraction float64, rtt time.Duration) Decision {
	return c.decision
}

// OnREMB is told of the receiver's own estimate.
func (c *Controller) OnREMB(now time.Time, r units.Rate) Decision { return c.decision }

// OnTick lets time pass; call it no later than Next.
func (c *Controller) OnTick(now time.Time) Decision { return c.decision }

// OnRouteChange says that packets take another path now (a new ICE pair).
func (c *Controller) OnRouteChange(now time.Time) {}

// SetLadder says what the allocator could use.
func (c *Controller) SetLadder(now time.Time, l Ladder) { c.ladder = l }

// Next is when OnTick wants to be called; zero means not before something
// else happens.
func (c *Controller) Next() time.Time { return time.Time{} }

// State is what the controller is doing.
func (c *Controller) State() State { return c.decision.State }

// Decision is the last one made.
func (c *Controller) Decision() Decision { return c.decision }

// Stats is what is known of the path.
func (c *Controller) Stats() Stats { return c.stats }

package full

import (
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// others is what shares the links with the flows: TCP and UDP, the models of
// the exact back end, which need no host. They are on the links from the plan's
// start on.
type others struct {
	world   *world
	begin   time.Time
	traffic *lab.Traffic
}

func newOthers(w *world, begin time.Time) *others {
	plan := lab.Scenario{Duration: w.plan.Duration, Forward: w.plan.Forward, TCP: w.plan.TCP, UDP: w.plan.UDP}
	return &others{world: w, begin: begin, traffic: lab.NewTraffic(plan, w.plan.Seed, carriers(w.forward), carriers(w.back))}
}

// run lets the traffic happen until the run is over.
func (o *others) run() {
	for {
		at, more := o.traffic.Next()
		if !more || at >= o.world.plan.Duration || !o.world.wait(o.begin.Add(at)) {
			return
		}
		o.traffic.Advance(time.Since(o.begin))
	}
}

// packets are those on the forward links.
func (o *others) packets() []Packet {
	var all []Packet
	for _, r := range o.traffic.Records() {
		all = append(all, Packet{Sent: r.Sent, Arrived: r.Arrived, Waited: r.Waited, Size: r.Size, Drop: r.Drop})
	}
	return all
}

// carrier is one link of a crossing as the traffic sees it.
type carrier struct {
	crossing *crossing
	link     int
}

func carriers(c *crossing) []lab.Carrier {
	var all []lab.Carrier
	for i := range c.configs {
		all = append(all, carrier{c, i})
	}
	return all
}

// Offer offers a packet now: the traffic's clock shows the same time, but has an
// origin of its own.
func (c carrier) Offer(at time.Time, p link.Packet) link.Fate {
	c.crossing.mu.Lock()
	defer c.crossing.mu.Unlock()
	now := time.Now()
	f := c.crossing.offer(now, c.link, p)
	if f.Drop == link.None {
		f.Arrive = at.Add(f.Arrive.Sub(now))
	}
	return f
}

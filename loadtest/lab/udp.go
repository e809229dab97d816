package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// udp sends packets of one size at a fixed rate, whatever becomes of them.
type udp struct {
	world *world
	spec  UDP
	out   *route
	// Packets, and how many of them arrived.
	sent, arrived int
}

func newUDP(w *world, spec UDP, out []*link.Link) *udp {
	u := &udp{world: w, spec: spec}
	u.out = &route{world: w, links: out, to: u}
	w.at(spec.Start, u, wake)
	return u
}

func (u *udp) act(now time.Duration, e *event) {
	if e.kind == arrival {
		u.arrived++
		return
	}
	if e.kind != wake || u.spec.Stop > 0 && now >= u.spec.Stop {
		return
	}
	const size = 1000
	u.sent++
	u.out.send(packet{class: udpData, size: size, sent: now})
	u.world.at(now+units.Size(size).At(u.spec.Rate), u, wake)
}

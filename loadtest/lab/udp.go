package lab

import (
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// udpSize is a packet of traffic that adapts to nothing, in IP bytes.
const udpSize units.Size = 1000

// udp sends packets of one size at a fixed rate, whatever becomes of them.
type udp struct {
	world *world
	spec  UDP
	out   *route
	// Packets, and how many of them arrived.
	sent, arrived int
	series        []units.Size // what arrived, each bin
}

func newUDP(w *world, spec UDP, out []Carrier, bins int) *udp {
	u := &udp{world: w, spec: spec, series: make([]units.Size, bins)}
	u.out = &route{world: w, links: out, to: u}
	w.at(spec.Start, u, wake)
	return u
}

func (u *udp) act(now time.Duration, e *event) {
	if e.kind == arrival {
		u.arrived++
		u.series[min(int(now/bin), len(u.series)-1)] += e.p.size
		return
	}
	if e.kind != wake || u.spec.Stop > 0 && now >= u.spec.Stop {
		return
	}
	if u.spec.On > 0 {
		cycle := u.spec.On + u.spec.Off
		if at := (now - u.spec.Start) % cycle; at >= u.spec.On {
			u.world.at(now+cycle-at, u, wake)
			return
		}
	}
	u.sent++
	u.out.send(packet{class: udpData, size: udpSize, sent: now})
	u.world.at(now+udpSize.At(u.spec.Rate), u, wake)
}

// Validate says what is wrong with the traffic.
func (u UDP) Validate() error {
	switch {
	case u.Rate <= 0 || u.Rate > units.Gbps:
		return fmt.Errorf("traffic of %v is outside 0 to %v", u.Rate, units.Gbps)
	case u.Start < 0 || u.On < 0 || u.Off < 0 || u.Off > 0 && u.On == 0:
		return fmt.Errorf("traffic from %v, %v on and %v off", u.Start, u.On, u.Off)
	}
	return nil
}

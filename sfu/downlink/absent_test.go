package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// absentees are packets that were lost on their way to the server, and come when
// it asks for them, if that is heard.
type absentees struct {
	loses   func() bool
	lost    map[uint16]*packet.Packet
	coming  []coming
	request []uint16
}

type coming struct {
	at time.Time
	p  *packet.Packet
}

// upRoundTrip is how long what was asked of the publisher takes.
const upRoundTrip = 60 * time.Millisecond

func newAbsentees(t *testing.T, loses func() bool) *absentees {
	a := &absentees{loses: loses, lost: map[uint16]*packet.Packet{}}
	t.Cleanup(func() {
		for _, p := range a.lost {
			p.Release()
		}
		for _, c := range a.coming {
			c.p.Release()
		}
	})
	return a
}

// keeps says whether p is lost.
func (a *absentees) keeps(p *packet.Packet) bool {
	if a == nil || !a.loses() {
		return false
	}
	if old := a.lost[p.Sequence]; old != nil {
		old.Release()
	}
	a.lost[p.Sequence] = p
	return true
}

// send hands on what comes again now, and asks.
func (a *absentees) send(c *scalableCall) {
	if a == nil {
		return
	}
	a.request = c.stream.AppendNACKs(c.now, a.request[:0])
	for _, n := range a.request {
		if p := a.lost[n]; p != nil && !a.loses() && !a.loses() { // the request, and the answer
			delete(a.lost, n)
			a.coming = append(a.coming, coming{c.now.Add(upRoundTrip), p})
		}
	}
	for len(a.coming) > 0 && !a.coming[0].at.After(c.now) {
		p := a.coming[0].p
		a.coming = a.coming[1:]
		p.Recovered = true
		c.arrive(p)
	}
}

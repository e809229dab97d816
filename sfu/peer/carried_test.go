package peer

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

func remoteAt(address string) *webrtc.ICECandidate {
	return &webrtc.ICECandidate{Address: address, Port: 4000, Protocol: webrtc.ICEProtocolUDP, Typ: webrtc.ICECandidateTypePrflx}
}

func TestNetworkKeys(t *testing.T) {
	c := newCarried()
	home := c.key("ann", remoteAt("192.0.2.1"))
	six := c.key("ann", remoteAt("2001:db8::1"))
	for _, k := range []struct {
		name  string
		key   networkKey
		other networkKey
		same  bool
	}{
		{"another port", c.key("ann", &webrtc.ICECandidate{Address: "192.0.2.1", Port: 9}), home, true},
		{"mapped", c.key("ann", remoteAt("::ffff:192.0.2.1")), home, true},
		{"another address", c.key("ann", remoteAt("192.0.2.2")), home, false},
		{"somebody else", c.key("bob", remoteAt("192.0.2.1")), home, false},
		{"the same /64", c.key("ann", remoteAt("2001:db8::abcd:1")), six, true},
		{"another /64", c.key("ann", remoteAt("2001:db8:0:1::1")), six, false},
		{"another process", newCarried().key("ann", remoteAt("192.0.2.1")), home, false},
	} {
		if (k.key == k.other) != k.same || k.key == (networkKey{}) {
			t.Errorf("%s: %x beside %x, want the same: %v", k.name, k.key, k.other, k.same)
		}
	}
	for name, k := range map[string]networkKey{
		"no owner": c.key("", remoteAt("192.0.2.1")), "no path": c.key("ann", nil), "a name": c.key("ann", remoteAt("x.local")),
		"a relay": c.key("ann", &webrtc.ICECandidate{Address: "192.0.2.1", Port: 1, Typ: webrtc.ICECandidateTypeRelay}),
	} {
		if k != (networkKey{}) {
			t.Errorf("%s has a key", name)
		}
		c.keep(time.Now(), k, units.Mbps)
	}
	if len(c.networks) != 0 {
		t.Error("something was kept of nobody")
	}
}

func TestCarriedIsBoundedAndExpires(t *testing.T) {
	c := newCarried()
	now := time.Now()
	first := c.key("0", remoteAt("192.0.2.1"))
	for i := range mostCarried + 10 {
		c.keep(now.Add(time.Duration(i)*time.Millisecond), c.key(fmt.Sprint(i), remoteAt("192.0.2.1")), units.Mbps)
	}
	if len(c.networks) != mostCarried {
		t.Errorf("%d networks are kept, want %d", len(c.networks), mostCarried)
	}
	if r := c.recall(now, first); r != 0 {
		t.Errorf("the oldest is still known: %v", r)
	}
	last := c.key(fmt.Sprint(mostCarried), remoteAt("192.0.2.1"))
	if r := c.recall(now.Add(carriedLasts/2), last); r != units.Mbps.Scale(carriedShare) {
		t.Errorf("%v is recalled", r)
	}
	if r := c.recall(now.Add(carriedLasts+time.Minute), last); r != 0 {
		t.Errorf("%v is recalled when it is too old", r)
	}
	for k := range c.networks {
		if bytes.Contains(k[:], []byte("192")) {
			t.Error("an address is kept")
		}
	}
}

// who is a handler with a name.
type who struct {
	deaf
	name string
}

func (w who) Owner() string { return w.name }

// Who comes back from a network begins with what it carried; somebody else, and
// the same one from elsewhere, does not.
func TestReturnFromTheSameNetwork(t *testing.T) {
	p := newPath(t, 0)
	defer p.close()
	now := time.Now()
	joined := func(owner, address string) *Peer {
		c := p.peer(t, p.publisher.slots)
		c.handler, c.owner = who{name: owner}, owner
		down, err := downlink.New(now, downlink.Config{
			Overhead: wire.UsualOverhead, BWE: bwe.DefaultConfig(), TransportWide: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.egress.down = down
		c.routeChanged(&webrtc.ICECandidatePair{Remote: remoteAt(address)})
		p.turn(now)
		return c
	}
	first := joined("ann", "192.0.2.1")
	before := first.egress.down.Stats().Path.Target
	first.egress.remember(now, &downlink.Stats{Path: bwe.Stats{Capacity: 2 * units.Mbps}})
	first.egress.remember(now, &downlink.Stats{}) // nothing learnt since: it stays
	for _, c := range []struct {
		owner, address string
		want           units.Rate
	}{
		{"ann", "192.0.2.1", 1500 * units.Kbps},
		{"ann", "198.51.100.1", before},
		{"bob", "192.0.2.1", before},
	} {
		again := joined(c.owner, c.address)
		if got := again.egress.down.Stats().Path.Target; got != c.want {
			t.Errorf("%s at %s begins with %v, want %v", c.owner, c.address, got, c.want)
		}
		again.egress.close()
	}
	first.egress.close()
}

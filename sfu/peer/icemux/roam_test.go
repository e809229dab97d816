package icemux

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// moved is alice behind a translator that forgot: the same host, another port.
var moved = netip.MustParseAddrPort("198.51.100.1:4777")

// roamer is a client in a bubble that gets media, on a mux over one wire.
type roamer struct {
	t *testing.T
	m *UDP
	w *wire
	c *handle
}

func roam(t *testing.T, test func(r roamer)) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newTestUDP(t, UDPConfig{})
		r := roamer{t, m, w, open(t, m, "aaaa")}
		join(t, w, r.c, "aaaa", alice)
		test(r)
		_ = r.c.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// sends writes a packet of media as the agent does, and answers where it went.
func (r roamer) sends() netip.AddrPort {
	r.t.Helper()
	media := rtp(96, 1, 1, 100)
	if n, err := r.c.WriteToAddrPort(media, alice); n != len(media) || err != nil {
		r.t.Fatalf("wrote %d, %v", n, err)
	}
	out := r.w.written()
	if len(out) != 1 || !bytes.Equal(out[0].data, media) {
		r.t.Fatalf("%d packets left", len(out))
	}
	return out[0].addr
}

// hears lets a packet come from an address; the agent must see it from another.
func (r roamer) hears(from, as netip.AddrPort) {
	r.t.Helper()
	r.w.deliver(from, rtp(96, 2, 1, 60))
	mustRead(r.t, r.c, as, rtp(96, 2, 1, 60))
}

// checks lets a check come and the agent answer it, and fails where the answer
// goes elsewhere.
func (r roamer) checks(from, as netip.AddrPort) {
	r.t.Helper()
	request := stunMessage(stunRequest, "aaaa:x")
	r.w.deliver(from, request)
	mustRead(r.t, r.c, as, request)
	if _, err := r.c.WriteToAddrPort(success, as); err != nil {
		r.t.Fatal(err)
	}
	if out := r.w.written(); len(out) != 1 || out[0].addr != from {
		r.t.Fatalf("the answer to %v went to %v", from, out)
	}
}

// TestClientIsFollowed: a translator forgets, and the client's next check comes
// from another port.
func TestClientIsFollowed(t *testing.T) {
	roam(t, func(r roamer) {
		r.sends()
		r.hears(alice, alice)
		time.Sleep(samePlaceQuiet)
		r.checks(moved, moved)
		if to := r.sends(); to != moved {
			t.Fatalf("media goes to %v after the check", to)
		}
		r.hears(moved, alice) // the agent goes on as before
		r.checks(moved, alice)
		// Once more, and back.
		time.Sleep(2 * time.Second)
		third := netip.MustParseAddrPort("198.51.100.1:4888")
		r.checks(third, third)
		if to := r.sends(); to != third {
			t.Errorf("media goes to %v after the second move", to)
		}
		time.Sleep(2 * time.Second)
		r.checks(alice, alice)
		if to := r.sends(); to != alice {
			t.Errorf("media goes to %v after the way back", to)
		}
		if n := r.m.Stats().Roamed; n != 2 {
			t.Errorf("counted %d", n)
		}
	})
}

// TestClientWithTwoNetworksIsNotFollowed: both prove themselves, and the one in
// use is heard.
func TestClientWithTwoNetworksIsNotFollowed(t *testing.T) {
	roam(t, func(r roamer) {
		r.sends()
		for range 20 {
			r.hears(alice, alice)
			time.Sleep(time.Second) // a report each second
			r.checks(bob, bob)
			if to := r.sends(); to != alice {
				t.Fatalf("media goes to %v", to)
			}
		}
		// When the one in use falls silent, the other is taken.
		time.Sleep(elsewhereQuiet)
		r.checks(bob, bob)
		if to := r.sends(); to != bob {
			t.Errorf("media goes to %v after the network in use is gone", to)
		}
		// And when it is heard again, media returns.
		time.Sleep(roamSettle + 1)
		r.hears(alice, alice)
		if to := r.sends(); to != alice {
			t.Errorf("media goes to %v although the network in use is back", to)
		}
	})
}

// TestOnlyProofIsFollowed: media or a request without the agent's answer moves
// nothing.
func TestOnlyProofIsFollowed(t *testing.T) {
	roam(t, func(r roamer) {
		r.sends()
		time.Sleep(time.Minute)
		r.w.deliver(moved, rtp(96, 2, 1, 60))
		request := stunMessage(stunRequest, "aaaa:x")
		r.w.deliver(moved, request) // the agent finds its password wrong
		mustRead(t, r.c, moved, request)
		synctest.Wait()
		if to := r.sends(); to != alice {
			t.Errorf("media goes to %v", to)
		}
	})
}

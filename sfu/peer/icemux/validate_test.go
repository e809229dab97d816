package icemux

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
)

// cell is alice on another network.
var cell = netip.MustParseAddrPort("203.0.113.9:5001")

var aliceCredentials = Credentials{"cccc", "a password of alice's own"}

// known makes the mux know alice's stream and her credentials.
func (r roamer) known() {
	r.m.Authenticate("aaaa", aliceCredentials)
	r.m.Recognise("aaaa", 2)
	r.sends()
	r.hears(alice, alice)
}

// asked lets media of alice's stream come from an address, and answers the check
// that goes there, or nil.
func (r roamer) asked(from netip.AddrPort) *stun.Message {
	r.t.Helper()
	r.w.deliver(from, rtp(96, 2, 1, 60))
	synctest.Wait()
	out := r.w.written()
	if len(out) == 0 {
		return nil
	}
	if len(out) != 1 || out[0].addr != from || len(out[0].data) > maxAmplification*60 {
		r.t.Fatalf("%d packets of %d bytes to %v", len(out), len(out[0].data), out[0].addr)
	}
	m := &stun.Message{Raw: out[0].data}
	if err := m.Decode(); err != nil {
		r.t.Fatal(err)
	}
	return m
}

// answers lets the client's answer to a check come from an address.
func (r roamer) answers(check *stun.Message, from netip.AddrPort, password string) {
	r.t.Helper()
	answer, err := stun.Build(check, stun.BindingSuccess, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	if err != nil {
		r.t.Fatal(err)
	}
	r.w.deliver(from, answer.Raw)
	synctest.Wait()
}

// TestMovedClientIsAskedAndFollowed: to another port, and to another network.
func TestMovedClientIsAskedAndFollowed(t *testing.T) {
	for _, to := range []netip.AddrPort{moved, cell} {
		roam(t, func(r roamer) {
			r.known()
			time.Sleep(samePlaceQuiet)
			check := r.asked(to)
			if check == nil {
				t.Fatal("nobody asked")
			}
			var name stun.Username
			if err := name.GetFrom(check); err != nil || name.String() != "cccc:aaaa" {
				t.Errorf("the check names %q, %v", name, err)
			}
			if err := stun.NewShortTermIntegrity(aliceCredentials.Password).Check(check); err != nil {
				t.Error(err)
			}
			if !check.Contains(stun.AttrICEControlled) || !check.Contains(stun.AttrPriority) || !check.Contains(stun.AttrFingerprint) {
				t.Errorf("attributes %v", check.Attributes)
			}
			r.answers(check, to, aliceCredentials.Password)
			r.hears(to, alice)
			if at := r.sends(); at != to {
				t.Errorf("media goes to %v", at)
			}
			// The next check of the client's changes nothing more.
			r.checks(to, alice)
			if n := r.m.Stats(); n.Roamed != 1 || n.Probes != 1 {
				t.Errorf("%+v", n)
			}
			// And so it may go on.
			time.Sleep(samePlaceQuiet)
			third := netip.MustParseAddrPort("203.0.113.77:9")
			r.answers(r.asked(third), third, aliceCredentials.Password)
			if at := r.sends(); at != third {
				t.Errorf("media goes to %v after the second move", at)
			}
		})
	}
}

// TestNobodyElseIsFollowed: what proves nothing moves nothing.
func TestNobodyElseIsFollowed(t *testing.T) {
	tests := map[string]func(r roamer){
		"a wrong password":   func(r roamer) { r.answers(r.asked(cell), cell, "guessed") },
		"another's answer":   func(r roamer) { r.answers(r.asked(cell), moved, aliceCredentials.Password) },
		"an invented answer": func(r roamer) { r.asked(cell); r.answers(stun.New(), cell, aliceCredentials.Password) },
		"a late answer": func(r roamer) {
			check := r.asked(cell)
			time.Sleep(probeFresh + 1)
			r.answers(check, cell, aliceCredentials.Password)
		},
		"no integrity": func(r roamer) {
			answer, err := stun.Build(r.asked(cell), stun.BindingSuccess, stun.Fingerprint)
			if err != nil {
				r.t.Fatal(err)
			}
			r.w.deliver(cell, answer.Raw)
			synctest.Wait()
		},
		"the client is still heard": func(r roamer) {
			check := r.asked(cell)
			r.hears(alice, alice)
			r.answers(check, cell, aliceCredentials.Password)
		},
		"an unknown stream": func(r roamer) {
			r.w.deliver(cell, rtp(96, 3, 1, 60))
			synctest.Wait()
			if n := len(r.w.written()); n != 0 {
				r.t.Errorf("%d checks for it", n)
			}
		},
		"too little to be worth an answer": func(r roamer) {
			r.w.deliver(cell, rtp(96, 2, 1, 12))
			synctest.Wait()
			if n := len(r.w.written()); n != 0 {
				r.t.Errorf("%d checks for it", n)
			}
		},
	}
	for name, attempt := range tests {
		t.Run(name, func(t *testing.T) {
			roam(t, func(r roamer) {
				r.known()
				time.Sleep(samePlaceQuiet)
				attempt(r)
				if to := r.sends(); to != alice {
					t.Errorf("media goes to %v", to)
				}
				if s := r.m.Stats(); s.Roamed != 0 || s.Addresses != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestChecksAreBounded: a flood of packets with a known stream's number costs few
// checks, and none is left when the session ends.
func TestChecksAreBounded(t *testing.T) {
	roam(t, func(r roamer) {
		r.known()
		for range 2000 { // ten seconds
			r.w.deliver(cell, rtp(96, 2, 1, 60))
			time.Sleep(5 * time.Millisecond)
		}
		synctest.Wait()
		if n := len(r.w.written()); n < 4 || n > 12 {
			t.Errorf("%d checks in 10 s", n)
		}
		p := r.m.ports[0]
		if n := len(p.probes); n > maxProbes {
			t.Errorf("%d checks wait for an answer", n)
		}
		for ssrc := range uint32(200) {
			r.m.Recognise("aaaa", 100+ssrc)
		}
		if n := len(r.m.streams); n != maxKnown {
			t.Errorf("%d streams", n)
		}
		other := open(t, r.m, "bbbb")
		r.m.Recognise("bbbb", 2) // alice's
		if r.m.streams[2].ufrag != "aaaa" {
			t.Error("a stream was taken away")
		}
		r.m.RemoveConnByUfrag("aaaa")
		if len(p.probes) != 0 || len(r.m.streams) != 0 {
			t.Errorf("%d checks and %d streams are left", len(p.probes), len(r.m.streams))
		}
		_ = other.Close()
	})
}

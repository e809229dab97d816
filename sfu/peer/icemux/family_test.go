package icemux

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

// dual opens a mux on one socket of both families, with handles for two IPv4
// addresses and one of IPv6, as an agent has them.
func dual(t *testing.T) (w *wire, first, second, six *handle) {
	t.Helper()
	w = newWire("[::]:7882")
	addresses := []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("2001:db8::10")}
	m, err := NewUDP(UDPConfig{Sockets: []*udp.Socket{udp.Wrap(w)}, Addresses: addresses})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	var all []*handle
	for _, a := range m.GetListenAddresses() {
		c, err := m.GetConn("aaaa", a)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c.(*handle))
	}
	if len(all) != 3 {
		t.Fatalf("%d addresses, want 3", len(all))
	}
	return w, all[0], all[1], all[2]
}

// TestFamiliesAreApart: an agent's IPv6 candidate takes IPv4 traffic for a
// stranger's and drops it, so each family must reach its own.
func TestFamiliesAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, first, _, six := dual(t)
		carol := netip.MustParseAddrPort("[2001:db8::1]:5000")
		var over4, over6 int
		count := func(h *handle, n *int) {
			b := make([]byte, 2048)
			for {
				_, from, err := h.ReadFromAddrPort(b)
				if err != nil {
					return
				}
				if from.Addr().Is4() != (h == first) {
					t.Errorf("%v reached the candidate %v", from, h.LocalAddr())
				}
				*n++
			}
		}
		go count(first, &over4)
		go count(six, &over6)
		for range 50 {
			w.deliver(alice, stunMessage(stunRequest, "aaaa:x"))
			w.deliver(carol, stunMessage(stunRequest, "aaaa:x"))
		}
		synctest.Wait()
		if over4 != 50 || over6 != 50 {
			t.Errorf("%d packets came over IPv4 and %d over IPv6, want 50 each", over4, over6)
		}
	})
}

// TestOneReaderAtATime: with a reader for each local address, packets would
// change places on their way to the agent.
func TestOneReaderAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, first, second, _ := dual(t)
		read := make(map[*handle]int)
		for _, h := range []*handle{second, first} {
			go func() {
				b := make([]byte, 2048)
				for {
					if _, _, err := h.ReadFromAddrPort(b); err != nil {
						return
					}
					read[h]++
				}
			}()
		}
		for range 20 {
			w.deliver(alice, stunMessage(stunRequest, "aaaa:x"))
			synctest.Wait()
		}
		if read[first] != 20 || read[second] != 0 {
			t.Errorf("the two readers got %d and %d packets, want all at the first", read[first], read[second])
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		w.deliver(alice, stunMessage(stunRequest, "aaaa:x"))
		synctest.Wait()
		if read[second] != 1 {
			t.Error("the second reader did not take over")
		}
	})
}

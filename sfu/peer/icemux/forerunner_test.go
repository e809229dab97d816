package icemux

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestDTLSBehindItsCheck: what a client in a hurry sends before its check was
// answered waits for the answer, once, and not for long.
func TestDTLSBehindItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newTestUDP(t, UDPConfig{})
		a := open(t, m, "aaaa")
		request := stunMessage(stunRequest, "aaaa:x")
		again := append([]byte(nil), dtls...)
		again[5]++
		w.deliver(alice, request)
		w.deliver(alice, dtls)
		w.deliver(alice, again) // one is enough
		w.deliver(alice, rtp(96, 1, 1, 100))
		synctest.Wait()
		mustRead(t, a, alice, request)
		if _, err := a.WriteToAddrPort(success, alice); err != nil {
			t.Fatal(err)
		}
		mustRead(t, a, alice, dtls)
		w.deliver(alice, again)
		mustRead(t, a, alice, again)

		w.deliver(bob, dtls)
		synctest.Wait()
		time.Sleep(forerunnerAge)
		join(t, w, a, "aaaa", bob)
		w.deliver(bob, again)
		mustRead(t, a, bob, again) // what came before is too old
		if s := m.Stats(); s.UnknownAddress != 4 {
			t.Errorf("%d packets of unknown addresses", s.UnknownAddress)
		}
	})
}

// TestForerunnersAreBounded: who sends from many addresses takes no more memory,
// and the last are kept.
func TestForerunnersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newTestUDP(t, UDPConfig{})
		a := open(t, m, "aaaa")
		for i := range 3 * maxForerunners {
			w.deliver(netip.AddrPortFrom(bob.Addr(), uint16(5000+i)), dtls)
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		if s := m.Stats(); s.BuffersInUse > maxForerunners+readBatch {
			t.Errorf("%d buffers for %d addresses", s.BuffersInUse, 3*maxForerunners)
		}
		last := netip.AddrPortFrom(bob.Addr(), uint16(5000+3*maxForerunners-1))
		join(t, w, a, "aaaa", last)
		mustRead(t, a, last, dtls)
	})
}

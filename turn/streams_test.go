package turn

import (
	"testing"
	"testing/synctest"
)

// A peer can ask which relays have a client that comes by TCP, as long as they last.
func TestOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		relays := func() (all []*relay) {
			for r := range l.server.quota.relays {
				all = append(all, r)
			}
			return all
		}
		plain, socket := l.udpProbe("by-udp")
		defer func() { _ = socket.Close() }()
		plain.bind()
		for _, r := range relays() {
			if l.server.OverTCP(r.told) {
				t.Errorf("%v is reached by UDP", r.told)
			}
		}
		stream, conn := l.tcpProbe("by-tcp")
		stream.bind()
		over := 0
		all := relays()
		for _, r := range all {
			if l.server.OverTCP(r.told) {
				over++
			}
		}
		if len(all) != 2 || over != 1 {
			t.Fatalf("of %d relays %d are reached by TCP, want 1 of 2", len(all), over)
		}
		_ = conn.Close()
		synctest.Wait()
		for _, r := range all {
			if l.server.OverTCP(r.told) {
				t.Errorf("%v is gone", r.told)
			}
		}
		if n := len(l.server.streams.relays); n != 0 {
			t.Errorf("%d addresses are kept of relays that are gone", n)
		}
	})
}

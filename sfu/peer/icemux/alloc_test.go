package icemux

import (
	"net"
	"runtime"
	"testing"
)

func TestWritePathAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	m, w := newTestUDP(t, UDPConfig{})
	w.discard = true
	batch := NewBatch(64)
	m.Bind("aaaa", batch)
	var a net.PacketConn = open(t, m, "aaaa")
	media := rtp(96, 1, 1, 1100)
	var to net.Addr = net.UDPAddrFromAddrPort(alice)
	six := &net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 9}
	batch.lane(m.ports[0].socket)
	if allocs := testing.AllocsPerRun(200, func() {
		for range 70 {
			_, _ = a.WriteTo(media, to)
			_, _ = a.WriteTo(media, six)
		}
		_, _ = a.(*handle).WriteToAddrPort(media, alice)
		_, _ = a.WriteTo(dtls, to)
		_, _ = a.WriteTo(success, to)
		batch.Flush()
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestReadPathAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	m, w := newTestUDP(t, UDPConfig{})
	a := open(t, m, "aaaa")
	join(t, w, a, "aaaa", alice)
	packet := sent{rtp(96, 1, 1, 1100), alice}
	b := make([]byte, 8192)
	allocs := testing.AllocsPerRun(200, func() {
		w.in <- packet
		if n, _, err := a.ReadFromAddrPort(b); n != 1100 || err != nil {
			t.Fatal(n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	runtime.KeepAlive(packet)
}

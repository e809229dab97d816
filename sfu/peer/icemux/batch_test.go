package icemux

import (
	"bytes"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

func TestFullBatchFlushesItself(t *testing.T) {
	w := newWire(server)
	s := udp.Wrap(w)
	b := NewBatch(3)
	for i := range 7 {
		if n, err := b.add(s, []byte{0x80, byte(i)}, alice); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.Len() != 1 || len(w.written()) != 6 {
		t.Fatalf("%d wait", b.Len())
	}
	if sent, failed := b.Flush(); sent != 7 || failed != 0 {
		t.Fatalf("Flush = %d, %d: it reports all since the last one", sent, failed)
	}
	if sent, failed := b.Flush(); sent != 0 || failed != 0 {
		t.Fatalf("empty Flush = %d, %d", sent, failed)
	}
	if got := b.Stats(); got != (BatchStats{Sent: 7, Flushes: 3}) {
		t.Fatalf("%+v", got)
	}
}

func TestLargePacketsKeepTheOrder(t *testing.T) {
	w := newWire(server)
	s := udp.Wrap(w)
	b := NewBatch(8)
	sizes := []int{100, maxBatched, maxBatched + 1, 50}
	for _, size := range sizes {
		if n, err := b.add(s, bytes.Repeat([]byte{0x90}, size), bob); n != size || err != nil {
			t.Fatal(n, err)
		}
	}
	if sent, _ := b.Flush(); sent != 4 {
		t.Fatalf("%d sent", sent)
	}
	for i, p := range w.written() {
		if len(p.data) != sizes[i] {
			t.Fatalf("packet %d has %d bytes", i, len(p.data))
		}
	}
}

func TestBatchReportsFailures(t *testing.T) {
	w := newWire(server)
	s := udp.Wrap(w)
	b := NewBatch(8)
	_, _ = b.add(s, rtcpPacket(), bob)
	_, _ = b.add(s, rtcpPacket(), bob)
	_ = s.Close()
	if sent, failed := b.Flush(); sent != 0 || failed != 2 {
		t.Fatalf("Flush = %d, %d", sent, failed)
	}
	if b.Stats().Failed != 2 {
		t.Fatalf("%+v", b.Stats())
	}
}

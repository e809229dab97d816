package tap

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v5/packetio"
)

// count answers a tap and what it handed on.
func count() (*Tap, *int) {
	n := new(int)
	return New(func([]byte) {}, func(time.Time, []byte) { *n++ }), n
}

func write(t *testing.T, tp *Tap, ssrc uint32, b string) {
	t.Helper()
	if n, err := tp.Buffer(packetio.RTCPBufferPacket, ssrc).Write([]byte(b)); n != len(b) || err != nil {
		t.Fatalf("write answered %d, %v", n, err)
	}
}

func TestEachPacketOnce(t *testing.T) {
	tp, n := count()
	for _, ssrc := range []uint32{1, 2, 3} { // one packet that names three streams
		write(t, tp, ssrc, "report")
	}
	if *n != 1 {
		t.Fatalf("one packet was handed on %d times", *n)
	}
	write(t, tp, 1, "report") // the same bytes again are another packet
	write(t, tp, 2, "report")
	write(t, tp, 1, "other")
	write(t, tp, 1, "report")
	if *n != 4 {
		t.Fatalf("%d packets were handed on, want 4", *n)
	}
}

func TestFloodOfRTCPIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp, n := count()
		b := tp.Buffer(packetio.RTCPBufferPacket, 1)
		for i := range 10_000 {
			if _, err := b.Write([]byte{byte(i), byte(i >> 8)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Microsecond) // one second in all
		}
		if *n < maxRTCPBurst || *n > maxRTCPBurst+maxRTCPRate+1 {
			t.Errorf("%d of 10,000 packets in a second were handed on, want the burst of %d and %d a second", *n, maxRTCPBurst, maxRTCPRate)
		}
		if tp.Limited() != uint64(10_000-*n) {
			t.Errorf("%d were counted as refused, want %d", tp.Limited(), 10_000-*n)
		}
	})
}

func TestFloodOfStreamsIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		received, told := 0, 0
		tp := New(func([]byte) { received++ }, func(time.Time, []byte) {})
		tp.OnFlood = func() { told++ }
		for ssrc := range uint32(maxBuffers + 100) {
			if _, err := tp.Buffer(packetio.RTPBufferPacket, ssrc).Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if received != maxBuffers || told != 1 {
			t.Errorf("%d streams were heard and %d floods told, want %d and 1", received, told, maxBuffers)
		}
	})
}

func TestNobodyWaitsForAStream(t *testing.T) {
	tp, _ := count()
	for _, kind := range []packetio.BufferPacketType{packetio.RTPBufferPacket, packetio.RTCPBufferPacket} {
		b := tp.Buffer(kind, 1)
		if n, err := b.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("read answered %d, %v: pion's readers must end at once", n, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

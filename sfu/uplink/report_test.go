package uplink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
)

// RFC 3550 §6.4.1 and §A.3.
func TestReceptionReportCountsLoss(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	if _, ok := u.stream.ReceptionReport(u.now); ok {
		t.Fatal("report before the first packet")
	}
	for i := range 100 {
		if i%4 != 3 {
			u.run(t, uint16(65500+i))
		}
	}
	u.send(65500, deltaPayload...) // a duplicate makes nothing up
	block, ok := u.stream.ReceptionReport(u.now)
	if !ok || block.SSRC != mediaSSRC || block.TotalLost != 24 || block.FractionLost != 24*256/99 {
		t.Fatalf("got %+v", block)
	}
	if want := uint32(65500 + 98); block.LastSequenceNumber != want {
		t.Fatalf("extended highest %d, want %d", block.LastSequenceNumber, want)
	}
	u.repair(uint16((65500+3)%cycle), deltaPayload...) // recovered is still lost
	block, _ = u.stream.ReceptionReport(u.now)
	if block.TotalLost != 24 || block.FractionLost != 0 {
		t.Fatalf("after a retransmission: %+v", block)
	}
	lost := uint16((65500 + 3) % cycle)
	u.send(lost, deltaPayload...) // but the original itself, late, is not
	u.send(lost, deltaPayload...) // and counts once
	block, _ = u.stream.ReceptionReport(u.now)
	if block.TotalLost != 23 || u.stream.Stats().Lost != 23 {
		t.Fatalf("after the original: %+v", block)
	}
	if bytes, err := block.Marshal(); err != nil || len(bytes) != 24 {
		t.Fatalf("marshal: %d bytes, %v", len(bytes), err)
	}
}

func TestPacketsFromBeforeTheFirstCount(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 10, 8)
	if block, _ := u.stream.ReceptionReport(u.now); block.TotalLost != 1 || block.FractionLost != 256/3 {
		t.Fatalf("got %+v, want packet 9 lost", block)
	}
}

// RFC 3550 §6.4.1: LSR is the middle of the NTP timestamp, DLSR is in 1/65536 s.
func TestReceptionReportAnswersSenderReport(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 1)
	u.stream.OnSenderReport(u.now, 0x1122334455667788, 4711)
	block, _ := u.stream.ReceptionReport(u.now.Add(1500 * time.Millisecond))
	if block.LastSenderReport != 0x33445566 || block.Delay != 65536*3/2 {
		t.Fatalf("got %+v", block)
	}
	if c := u.stream.Clock(); c.Timestamp != 4711 || !c.Arrival.Equal(u.now) {
		t.Fatalf("clock %+v", c)
	}
	block, _ = u.stream.ReceptionReport(u.now.Add(-time.Second))
	if block.Delay != 0 {
		t.Fatalf("time went back: %+v", block)
	}
}

// RFC 3550 §A.8.
func TestJitter(t *testing.T) {
	u := newPublisher(Config{Kind: codec.Opus})
	defer u.close(t)
	for i := range 2000 {
		u.now = start.Add(time.Duration(i) * 20 * ms)
		if i%2 == 1 {
			u.now = u.now.Add(5 * ms) // every difference of transit is 5 ms
		}
		u.timestamp = uint32(i) * 960
		u.run(t, uint16(i))
	}
	if j := u.stream.Stats().Jitter; j < 4800*time.Microsecond || j > 5200*time.Microsecond {
		t.Fatalf("jitter %v, want 5 ms", j)
	}
	before := u.stream.Stats().Jitter
	u.timestamp += 1 << 30 // the source changes its clock
	u.run(t, 2000)
	if j := u.stream.Stats().Jitter; j != before {
		t.Fatalf("a changed clock made jitter of %v", j)
	}
}

func TestRateIsOnTheWire(t *testing.T) {
	u := newPublisher(Config{Kind: codec.Opus, Overhead: 50})
	defer u.close(t)
	if u.stream.Rate(u.now) != 0 {
		t.Fatal("rate before the first packet")
	}
	voice := make([]byte, 30) // 12 kbit/s of payload in 20 ms packets: 32 on the wire
	within := func(want units.Rate) {
		t.Helper()
		got := u.stream.Rate(u.now)
		if got < want.Scale(0.93) || got > want.Scale(1.07) {
			t.Fatalf("rate %v, want about %v", got, want)
		}
	}
	for i := range uint16(500) {
		u.send(i, voice...)
		u.send(i, voice...) // duplicates do not count
		u.after(20 * ms)
		if i == 50 || i == 120 || i == 499 {
			within(32 * units.Kbps)
		}
	}
	u.after(time.Second)
	within(16 * units.Kbps)
	u.after(2 * time.Second)
	if r := u.stream.Rate(u.now); r != 0 {
		t.Fatalf("rate %v of a silent stream", r)
	}
	for i := range uint16(50) { // a stream that resumes is measured from there
		u.send(600+i, voice...)
		u.after(20 * ms)
	}
	within(32 * units.Kbps)
}

func TestRatesByTemporalLayer(t *testing.T) {
	u := newPublisher(Config{Overhead: 50})
	defer u.close(t)
	// VP8 with X, T: TID in the top two bits; RFC 7741 §4.2. L1T3 at 30 fps.
	payload := make([]byte, 450)
	payload[0], payload[1], payload[3] = 0x90, 0x20, 1
	for i := range uint16(300) {
		payload[2] = []byte{0, 2, 1, 2}[i%4] << 6
		u.send(i, payload...)
		u.after(time.Second / 30)
	}
	rates := u.stream.Rates(u.now)[0]
	full := u.stream.Rate(u.now)
	for i, share := range []float64{0.25, 0.5, 1, 0} {
		want := full.Scale(share)
		if rates[i] < want.Scale(0.9) || rates[i] > want.Scale(1.1) {
			t.Fatalf("rates %v, want 1/4, 1/2, 1 of %v and nothing above", rates, full)
		}
	}
	// A key frame of ten packets, as when somebody comes to see the picture,
	// does not raise its price beyond that of two.
	payload[2], payload[3] = 0, 0
	for i := range uint16(10) {
		u.send(300+i, payload...)
		payload[0] &^= 0x10
	}
	if got := u.stream.Rates(u.now)[0][0]; got > rates[0]+units.Size(2*512).Over(meterWindow) {
		t.Errorf("a key frame raises the price of the base from %v to %v", rates[0], got)
	}
	if r := u.stream.Rate(u.now); r < full+units.Size(10*450).Over(meterWindow)*9/10 {
		t.Errorf("a key frame raises the rate from %v to %v only", full, r)
	}
	if want := 120 * units.Kbps; full < want.Scale(0.93) || full > want.Scale(1.07) {
		t.Fatalf("rate %v, want about %v", full, want)
	}
}

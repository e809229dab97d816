package uplink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

func TestReceiveUnwrapsAcrossTheCycle(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	var last int64
	for i := range 200000 {
		u.after(time.Millisecond)
		v, extended := u.send(uint16(65000+i), deltaPayload...)
		if v != Accepted || uint16(extended) != uint16(65000+i) || (i > 0 && extended != last+1) {
			t.Fatalf("packet %d: %v, extended %d after %d", i, v, extended, last)
		}
		last = extended
	}
}

func TestReceiveFillsThePacket(t *testing.T) {
	u := newPublisher(Config{Layer: 2})
	defer u.close(t)
	p := u.packet(mediaSSRC, 5, keyPayload...)
	defer p.Release()
	if v := u.stream.Receive(u.now, p); v != Accepted {
		t.Fatalf("got %v", v)
	}
	if p.Layer != 2 || p.Kind != codec.VP8 || !p.Info.Keyframe || !p.Arrival.Equal(u.now) || p.Recovered {
		t.Fatalf("got %+v", p)
	}
	if u.stream.Cached(5) != p || u.stream.Cached(6) != nil || u.stream.Cached(4) != nil {
		t.Fatal("cache does not hold exactly packet 5")
	}
	red := u.packet(mediaSSRC, 6, 0x6f, 1, 2)
	red.Kind = codec.RED
	defer red.Release()
	if v := u.stream.Receive(u.now, red); v != Accepted || red.Kind != codec.RED {
		t.Fatalf("the caller's kind was not kept: %v %v", v, red.Kind)
	}
}

func TestVerdicts(t *testing.T) {
	u := newPublisher(Config{CachePackets: 64, NACK: true})
	defer u.close(t)
	u.run(t, 1000, 1001, 1003)
	steps := []struct {
		name     string
		sequence uint16
		payload  []byte
		want     Verdict
		used     bool // the number is used up: Extended is set
	}{
		{"the same again", 1003, deltaPayload, Duplicate, false},
		{"late", 1002, deltaPayload, Accepted, true},
		{"late twice", 1002, deltaPayload, Duplicate, false},
		{"before the first", 998, deltaPayload, Accepted, true},
		{"no payload", 1004, nil, Padding, true},
		{"the padding again", 1004, nil, Duplicate, false},
		{"no VP8", 1005, []byte{0x80}, Malformed, true},
		{"reaches back as far as the window", 1005 - 63, deltaPayload, Accepted, true},
		{"one further", 1005 - 64, deltaPayload, TooOld, false},
		{"far away", 40000, deltaPayload, TooOld, false},
	}
	for _, step := range steps {
		v, extended := u.send(step.sequence, step.payload...)
		if v != step.want || (extended != 0) != step.used {
			t.Errorf("%s: got %v, extended %d; want %v", step.name, v, extended, step.want)
		}
	}
	stats := u.stream.Stats()
	if stats.Verdicts[Accepted] != 6 || stats.Verdicts[Duplicate] != 3 || stats.Verdicts[TooOld] != 2 {
		t.Errorf("stats %+v", stats)
	}
	huge := u.packet(mediaSSRC, 1006)
	huge.Payload = make([]byte, packet.MaxSize+1)
	if v := u.stream.Receive(u.now, huge); v != Malformed || huge.Extended != 0 {
		t.Errorf("oversized: got %v", v)
	}
	huge.Release()
	if Verdict(200).String() != "unknown" || TooOld.String() != "too old" {
		t.Error("verdict names")
	}
}

// RFC 3550 §A.1: a source that restarts is believed after two packets in a row.
func TestRestartedSource(t *testing.T) {
	tests := []struct {
		name      string
		sequence  uint16
		timestamp uint32
		refused   int
	}{
		{"far ahead", 20000, 1000, 1},
		{"far behind", 50000, 1000, 1},
		{"a little behind, with another clock", 900, 900000000, 1},
		{"in the window, with another clock", 990, 900000000, 1},
		{"a little behind, with the same clock", 400, 1000, nearProbation - 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := newPublisher(Config{NACK: true})
			defer u.close(t)
			u.run(t, 998, 999, 1000)
			u.timestamp = test.timestamp
			before := u.stream.order.highest
			for i := range test.refused {
				if v, _ := u.send(test.sequence+uint16(i), deltaPayload...); v != TooOld {
					t.Fatalf("packet %d of the new source: got %v, want refusal", i, v)
				}
			}
			v, extended := u.send(test.sequence+uint16(test.refused), deltaPayload...)
			if v != Accepted || extended-before <= MaxDropout || uint16(extended) != test.sequence+uint16(test.refused) {
				t.Fatalf("got %v, extended %d after %d", v, extended, before)
			}
			u.after(time.Second / 2)
			if n := len(u.stream.AppendNACKs(u.now, nil)); n != test.refused {
				t.Fatalf("asked for %d of the refused packets, want %d", n, test.refused)
			}
			if v, _ := u.repair(test.sequence, keyPayload...); v != Accepted {
				t.Fatalf("the first refused packet, sent again: %v", v)
			}
			if n := u.stream.Stats().Restarts; n != 1 {
				t.Fatalf("%d restarts", n)
			}
		})
	}
}

func TestStrayPacketsDoNotRestart(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 1000)
	for i := range 100 {
		if v, _ := u.send(uint16(30000+2*i), deltaPayload...); v != TooOld {
			t.Fatalf("stray packet: %v", v)
		}
		u.run(t, uint16(1001+i))
	}
	if n := u.stream.Stats().Restarts; n != 0 {
		t.Fatalf("%d restarts", n)
	}
}

func TestReceiveRTX(t *testing.T) {
	u := newPublisher(Config{RTXSSRC: repairSSRC, NACK: true, Layer: 1})
	defer u.close(t)
	if v, _ := u.repair(10, deltaPayload...); v != TooOld {
		t.Fatalf("before the stream began: %v", v)
	}
	u.run(t, 10, 12)
	steps := []struct {
		name    string
		payload []byte
		want    Verdict
	}{
		{"padding only", nil, Padding},
		{"half a sequence number", []byte{0}, Malformed},
		{"missing", append([]byte{0, 11}, deltaPayload...), Accepted},
		{"probe with a packet received before", append([]byte{0, 12}, deltaPayload...), Duplicate},
		{"again", append([]byte{0, 11}, deltaPayload...), Duplicate},
		{"a little ahead", append([]byte{0, 14}, deltaPayload...), Accepted},
		{"an empty original", []byte{0, 13}, Padding},
		{"no VP8", []byte{0, 15, 0x80}, Malformed},
		{"far ahead", append([]byte{9, 0}, deltaPayload...), TooOld},
		{"far behind", append([]byte{0xf0, 0}, deltaPayload...), TooOld},
	}
	for _, step := range steps {
		p := u.packet(repairSSRC, 77, step.payload...)
		if v := u.stream.ReceiveRTX(u.now, p); v != step.want {
			t.Errorf("%s: got %v, want %v", step.name, v, step.want)
		} else if v == Accepted && (p.SSRC != mediaSSRC || p.Sequence == 77 || !p.Recovered || p.Layer != 1 || len(p.Payload) != len(deltaPayload)) {
			t.Errorf("%s: not restored: %+v", step.name, p)
		}
		p.Release()
	}
	if v, _ := u.send(11, deltaPayload...); v != Duplicate {
		t.Errorf("original after its retransmission: %v", v)
	}
	u.after(time.Second / 5)
	u.expectNACKs(t)
}

func TestActive(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	if u.stream.Active(u.now) {
		t.Fatal("active before the first packet")
	}
	for i := range 30 {
		u.after(33*time.Millisecond).run(t, uint16(i))
	}
	if !u.stream.Active(u.now.Add(900*time.Millisecond)) || u.stream.Active(u.now.Add(1100*time.Millisecond)) {
		t.Error("30 frames a second: want inactive after one second")
	}
	for i := range 60 {
		u.after(500*time.Millisecond).run(t, uint16(30+i))
	}
	if !u.stream.Active(u.now.Add(1900*time.Millisecond)) || u.stream.Active(u.now.Add(3100*time.Millisecond)) {
		t.Error("two frames a second: want inactive after two to three seconds")
	}
}

func TestIdleStreamGivesItsCacheBack(t *testing.T) {
	u := newPublisher(Config{})
	for i := range 100 {
		u.after(20*time.Millisecond).run(t, uint16(i))
	}
	if u.pool.InUse() != 100 || u.stream.Stats().Cached != 100 {
		t.Fatalf("%d packets in use", u.pool.InUse())
	}
	next := u.stream.Next()
	if next.IsZero() {
		t.Fatal("nothing to do for a full cache")
	}
	u.stream.Tick(next.Add(-time.Second)) // half of the packets are older than 3 s
	if n := u.pool.InUse(); n < 40 || n > 60 {
		t.Fatalf("%d packets in use", n)
	}
	u.stream.Tick(next)
	if u.pool.InUse() != 0 || u.stream.Cached(99) != nil || !u.stream.Next().IsZero() {
		t.Fatalf("%d packets in use, next %v", u.pool.InUse(), u.stream.Next())
	}
	if v, _ := u.send(99, deltaPayload...); v != Duplicate {
		t.Fatalf("expired packets are still known: got %v", v)
	}
}

func TestClosedStreamKeepsNothing(t *testing.T) {
	u := newPublisher(Config{NACK: true})
	u.run(t, 1, 5)
	u.stream.WantKeyframe(u.now)
	u.close(t)
	u.close(t)
	if v, _ := u.send(6, deltaPayload...); v != TooOld {
		t.Fatalf("got %v", v)
	}
	if v, _ := u.repair(3, deltaPayload...); v != TooOld {
		t.Fatalf("got %v", v)
	}
	u.stream.WantKeyframe(u.now)
	if u.stream.Cached(5) != nil || !u.stream.Next().IsZero() || u.stream.KeyframeDue(u.now.Add(time.Hour)) {
		t.Fatal("a closed stream still wants something")
	}
}

func TestConfigIsMovedIntoRange(t *testing.T) {
	for _, test := range []struct{ asked, want int }{{0, 512}, {-5, 512}, {1, 16}, {500, 512}, {513, 1024}, {1 << 40, 4096}} {
		if got := (Config{Kind: codec.VP8, CachePackets: test.asked}).withDefaults(); got.CachePackets != test.want {
			t.Errorf("%d: got %d, want %d", test.asked, got.CachePackets, test.want)
		}
	}
	if got := (Config{Kind: codec.Opus}).withDefaults(); got.CachePackets != 128 || got.Overhead != 50 {
		t.Errorf("audio: got %+v", got)
	}
}

package client

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	packetTime = 20 * time.Millisecond
	// SILK wideband, one frame of 20 ms (RFC 6716 §3.1 configuration 9).
	silkWide = 9 << 3
)

// speech and quiet are packets of Opus with and without voice activity.
var (
	speech = []byte{silkWide, 0x80, 1, 2, 3, 4}
	quiet  = []byte{silkWide, 0x00, 1, 2}
)

// opus answers the n-th packet of a stream.
func opus(n int, payload []byte) *packet.Packet {
	return &packet.Packet{Kind: codec.Opus, Sequence: uint16(n), Timestamp: uint32(n) * 960, Payload: payload}
}

// listen plays a stream that send makes of its packets, each 20 ms, and answers
// what was heard until a while after the last.
func listen(t *testing.T, packets int, after time.Duration, send func(p *player, now time.Time, n int)) Playout {
	t.Helper()
	p, err := newPlayer(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(1000, 0)
	for n := range packets {
		send(p, begin.Add(time.Duration(n)*packetTime), n)
	}
	p.advance(begin.Add(time.Duration(packets)*packetTime + after))
	var sum Playout
	sum.add(p.buffer.Stats())
	return sum
}

func TestPlayoutHearsEverything(t *testing.T) {
	sum := listen(t, 500, 0, func(p *player, now time.Time, n int) { p.push(now, opus(n, speech)) })
	if sum.Hole() != 0 || sum.Played < 9*time.Second || sum.LongestGap != 0 {
		t.Errorf("a clean stream of 10 s: %+v", sum)
	}
}

// TestPlayoutCountsLoss loses every tenth packet, and none with redundancy.
func TestPlayoutCountsLoss(t *testing.T) {
	lost := func(n int) bool { return n%10 == 5 }
	sum := listen(t, 500, 0, func(p *player, now time.Time, n int) {
		if !lost(n) {
			p.push(now, opus(n, speech))
		}
	})
	if h := sum.Hole(); h < 0.09 || h > 0.11 || sum.LongestGap != packetTime {
		t.Errorf("with a tenth lost: hole %.3f, %+v", h, sum)
	}
	sum = listen(t, 500, 0, func(p *player, now time.Time, n int) {
		if lost(n) {
			return
		}
		payload := red.Append(nil, 111, speech, red.Block{PayloadType: 111, Offset: 960, Data: speech})
		pkt := opus(n, payload)
		pkt.Kind = codec.RED
		p.push(now, pkt)
	})
	// The first loss comes before the buffer has learnt to wait for copies.
	if h := sum.Hole(); h > 0.005 || sum.Recovered < 45 {
		t.Errorf("with redundancy: hole %.3f, %+v", h, sum)
	}
}

// TestPlayoutKnowsSilence stops sending after a packet at whose end nobody
// speaks: nothing is missed then. After speech something is.
func TestPlayoutKnowsSilence(t *testing.T) {
	stopping := func(last []byte) Playout {
		return listen(t, 500, 0, func(p *player, now time.Time, n int) {
			at := n % 100
			if at >= 50 {
				return
			}
			payload := speech
			if at == 49 {
				payload = last
			}
			pkt := opus(n/100*50+at, payload) // timestamps go on in silence, numbers do not
			pkt.Timestamp = uint32(n) * 960
			p.push(now, pkt)
		})
	}
	if silent := stopping(quiet); silent.Hole() != 0 || silent.Silent < 4*time.Second {
		t.Errorf("silence after a quiet packet: %+v", silent)
	}
	if cut := stopping(speech); cut.Hole() < 0.2 {
		t.Errorf("a stream that stops within speech: %+v", cut)
	}
}

// TestPlayoutHushed stops within speech, because the sender said so.
func TestPlayoutHushed(t *testing.T) {
	sum := listen(t, 100, time.Minute, func(p *player, now time.Time, n int) {
		p.push(now, opus(n, speech))
		if n == 99 {
			p.hush(now)
		}
	})
	if sum.Hole() != 0 || sum.Starved != 0 {
		t.Errorf("after a mute: %+v", sum)
	}
}

// TestPlayoutIsToldLate looks at a player all the time and only at packets: it
// plays the same.
func TestPlayoutIsToldLate(t *testing.T) {
	run := func(look bool) (all []jitter.Frame, at []time.Duration) {
		begin := time.Unix(1000, 0)
		p, err := newPlayer(0, func(_ int, when time.Time, f jitter.Frame) {
			f.Payload = nil
			all, at = append(all, f), append(at, when.Sub(begin))
		})
		if err != nil {
			t.Fatal(err)
		}
		for ms := range 10_000 {
			now := begin.Add(time.Duration(ms) * time.Millisecond)
			late := ms - (ms/20*7)%40 // jitter of up to 40 ms
			if ms%20 == 0 && ms%380 != 0 {
				p.push(now, opus(max(late, 0)/20, speech))
			}
			if look {
				p.advance(now)
			}
		}
		p.advance(begin.Add(10 * time.Second))
		return all, at
	}
	often, oftenAt := run(true)
	seldom, seldomAt := run(false)
	if len(often) != len(seldom) || len(often) < 400 {
		t.Fatalf("%d frames when looked at often, %d when not", len(often), len(seldom))
	}
	for i := range often {
		if often[i].Kind != seldom[i].Kind || oftenAt[i] != seldomAt[i] {
			t.Fatalf("frame %d: %+v at %v, and %+v at %v", i, often[i], oftenAt[i], seldom[i], seldomAt[i])
		}
	}
}

func BenchmarkPlayout(b *testing.B) {
	p, err := newPlayer(0, nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Unix(1000, 0)
	payload := red.Append(nil, 111, speech, red.Block{PayloadType: 111, Offset: 960, Data: speech})
	pkt := opus(0, payload)
	pkt.Kind = codec.RED
	b.ReportAllocs()
	for b.Loop() {
		pkt.Sequence++
		pkt.Timestamp += 960
		now = now.Add(packetTime)
		p.push(now, pkt)
	}
}

// TestPlayoutAllocatesNothing once its buffers have grown.
func TestPlayoutAllocatesNothing(t *testing.T) {
	p, err := newPlayer(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	now, n := time.Unix(1000, 0), 0
	send := func() {
		p.push(now, opus(n, speech))
		now, n = now.Add(packetTime), n+1
	}
	for range 1000 {
		send()
	}
	packets := opus(0, speech)
	if allocs := testing.AllocsPerRun(1000, func() {
		packets.Sequence, packets.Timestamp = uint16(n), uint32(n)*960
		p.push(now, packets)
		now, n = now.Add(packetTime), n+1
	}); allocs != 0 {
		t.Errorf("%v allocations for each packet", allocs)
	}
}

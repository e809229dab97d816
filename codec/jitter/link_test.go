package jitter

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
)

const ms = time.Millisecond

const (
	speech = 1 << 3    // narrowband SILK, 20 ms
	step   = 960       // of it, in samples
	origin = 1<<32 - 5 // timestamps wrap around at once
)

// packet is one on its way.
type packet struct {
	Packet
	sent    time.Duration // by the receiver's clock
	arrives time.Duration
	lost    bool
	red     [][]byte // payloads of the packets before it, newest first
}

// voiced is a payload of count frames of 20 ms that sound; with LBRR if asked.
func voiced(count int, lbrr bool) []byte {
	first := byte(0x80)
	if lbrr {
		first |= 0x40
	}
	frame := []byte{speech, first, 1, 2, 3}
	payloads := slices.Repeat([][]byte{frame}, count)
	merged, err := opuspkt.Merge(nil, payloads...)
	if err != nil {
		panic(err)
	}
	return merged
}

// stream is unbroken speech of that length in packets of 20 ms.
func stream(length time.Duration, lbrr bool) (packets []packet) {
	for at := time.Duration(0); at < length; at += 20 * ms {
		i := len(packets)
		packets = append(packets, packet{sent: at, arrives: at + 50*ms, Packet: Packet{
			Sequence: uint16(65530 + i), Timestamp: origin + uint32(i*step), Payload: voiced(1, lbrr)}})
	}
	return packets
}

// withRED adds the given number of redundant copies to each.
func withRED(packets []packet, distance int) {
	for i := range packets {
		for d := 1; d <= min(distance, i); d++ {
			packets[i].red = append(packets[i].red, packets[i-d].Payload)
		}
	}
}

func lose(packets []packet, share float64) {
	chance := rand.New(rand.NewPCG(7, 8))
	for i := range packets {
		packets[i].lost = chance.Float64() < share
	}
}

// call plays packets through a buffer, until the given time, and checks what
// holds of every buffer. Each frame is shown to see.
func call(t *testing.T, packets []packet, length time.Duration, see func(at time.Duration, f Frame)) Stats {
	t.Helper()
	b, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1000, 0)
	arriving := slices.Clone(packets)
	slices.SortStableFunc(arriving, func(a, b packet) int { return int(a.arrives - b.arrives) })
	var w red.Window
	var frames []red.Frame
	o := observer{t: t}
	for at := time.Duration(0); at < length; {
		for len(arriving) > 0 && arriving[0].arrives <= at {
			p := arriving[0]
			arriving = arriving[1:]
			if p.lost {
				continue
			}
			if p.red == nil {
				b.Push(start.Add(p.arrives), p.Packet)
				continue
			}
			var blocks []red.Block
			for i, payload := range slices.Backward(p.red) {
				blocks = append(blocks, red.Block{PayloadType: 111, Offset: uint16((i + 1) * step), Data: payload})
			}
			if frames, err = w.Recover(frames[:0], p.Timestamp, red.Append(nil, 111, p.Payload, blocks...)); err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				b.Push(start.Add(p.arrives), Packet{p.Sequence, f.Timestamp, f.Data, f.Redundant})
			}
		}
		f := b.Pop(start.Add(at))
		o.check(f)
		if see != nil {
			see(at, f)
		}
		at += f.Duration
	}
	return b.Stats()
}

// observer checks that what comes out of a buffer is in order.
type observer struct {
	t     *testing.T
	any   bool
	after uint32 // timestamp after what was played last
}

func (o *observer) check(f Frame) {
	o.t.Helper()
	if f.Duration < 2500*time.Microsecond || f.Duration > 120*ms || f.Duration%(2500*time.Microsecond) != 0 {
		o.t.Fatalf("a frame of %v", f.Duration)
	}
	switch f.Kind {
	case Play:
		if o.any && int32(f.Timestamp-o.after) < 0 {
			o.t.Fatalf("timestamp %d after %d", f.Timestamp, o.after)
		}
		if d := opuspkt.Duration(f.Payload); d != f.Duration {
			o.t.Fatalf("%v for a payload of %v", f.Duration, d)
		}
		o.any, o.after = true, f.Timestamp+opuspkt.Samples(f.Duration)
	case Repair:
		p, err := opuspkt.Parse(f.Payload)
		if err != nil || !p.LBRR() || p.TOC.FrameDuration() != f.Duration {
			o.t.Fatalf("a repair of %v from %x", f.Duration, f.Payload)
		}
	default:
		if f.Payload != nil || f.Tempo != AsItIs {
			o.t.Fatalf("%+v", f)
		}
	}
}

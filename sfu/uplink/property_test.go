package uplink

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// watch checks, whatever is thrown at a stream, what must always hold.
type watch struct {
	fatal    func(format string, args ...any)
	u        *publisher
	accepted map[int64]bool
	asked    map[uint16]int // NACKs since the number was last received
	cache    int64
	asking   []uint16
	total    int // packets of the media stream
	requests int
}

func newWatch(fatal func(string, ...any), cfg Config) *watch {
	cfg.RTXSSRC, cfg.NACK = repairSSRC, true
	u := newPublisher(cfg)
	return &watch{fatal: fatal, u: u, accepted: map[int64]bool{}, asked: map[uint16]int{}, cache: int64(u.stream.cfg.CachePackets)}
}

// step delivers one packet (of the retransmission stream if rtx) and one tick.
func (w *watch) step(rtx bool, sequence uint16, payload []byte) {
	var v Verdict
	var p *packet.Packet
	if rtx {
		p = w.u.packet(repairSSRC, 1, append(binary.BigEndian.AppendUint16(nil, sequence), payload...)...)
		v = w.u.stream.ReceiveRTX(w.u.now, p)
	} else {
		p = w.u.packet(mediaSSRC, sequence, payload...)
		v = w.u.stream.Receive(w.u.now, p)
		w.total++
	}
	if v == Accepted {
		if w.accepted[p.Extended] {
			w.fatal("extended %d accepted twice", p.Extended)
		}
		if p.Extended <= 0 || uint16(p.Extended) != p.Sequence {
			w.fatal("extended %d of sequence %d", p.Extended, p.Sequence)
		}
		w.accepted[p.Extended] = true
		if w.u.stream.Cached(p.Sequence) != p {
			w.fatal("accepted packet %d is not in the cache", p.Sequence)
		}
	}
	p.Release()
	w.tick()
}

func (w *watch) tick() {
	s := w.u.stream
	s.Tick(w.u.now)
	next := s.Next()
	w.asking = s.AppendNACKs(w.u.now, w.asking[:0])
	if len(w.asking) > 0 && (next.IsZero() || next.After(w.u.now)) {
		w.fatal("Next told %v, but there is something to ask for", next)
	}
	for _, sequence := range w.asking {
		extended := s.order.nearest(sequence)
		if w.accepted[extended] {
			w.fatal("asked for %d, which was received", sequence)
		}
		if w.asked[sequence]++; w.asked[sequence] > MaxNACKs {
			w.fatal("asked %d times for %d", w.asked[sequence], sequence)
		}
		w.requests++
	}
	if w.requests > w.total+maxCredit {
		w.fatal("%d NACKs for %d packets", w.requests, w.total)
	}
	if n := w.u.pool.InUse(); n > w.cache {
		w.fatal("%d packets kept, the cache is %d", n, w.cache)
	}
	if b, ok := s.ReceptionReport(w.u.now); ok && b.TotalLost > maxLost {
		w.fatal("lost %d", b.TotalLost)
	}
	for _, rates := range s.Rates(w.u.now) {
		last := units.Rate(0)
		for _, rate := range rates {
			if rate != 0 && rate < last || rate < 0 {
				w.fatal("rates are not cumulative: %v", rates)
			}
			last = max(last, rate)
		}
	}
}

func (w *watch) end() {
	w.u.stream.Close()
	if n := w.u.pool.InUse(); n != 0 {
		w.fatal("%d packets in use after Close", n)
	}
}

// steps answers up to a thousand evenly spread random numbers. rapid's own are
// few and small by preference, which makes for short and tame networks; here it
// chooses the seed, and shortens the sequence when a test fails.
func steps(t *rapid.T) iter.Seq[uint32] {
	generator := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	count := rapid.IntRange(0, 9).Draw(t, "hundreds")*100 + rapid.IntRange(1, 100).Draw(t, "steps")
	return func(yield func(uint32) bool) {
		for range count {
			if !yield(generator.Uint32()) {
				return
			}
		}
	}
}

// TestAnyNetwork plays a stream through a network that loses, duplicates,
// delays and retransmits. At most 65536 numbers are sent, so a sequence number
// stands for one packet.
func TestAnyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{CachePackets: rapid.SampledFrom([]int{16, 64, 512}).Draw(t, "cache")}
		w := newWatch(t.Fatalf, cfg)
		w.u.stream.SetRTT(time.Duration(rapid.IntRange(0, 800).Draw(t, "rtt")) * time.Millisecond)
		head := rapid.Uint16().Draw(t, "first")
		for r := range steps(t) {
			w.u.after(time.Duration(r>>8&0x1f) * time.Millisecond)
			distance := uint16(r >> 16 & 0x3f)
			payload := deltaPayload
			switch r >> 13 & 7 {
			case 0:
				payload = nil
			case 1:
				payload = keyPayload
			}
			switch r & 0x0f {
			default:
				head++
				w.step(false, head, payload)
			case 0, 1, 2: // loss
				head += 1 + distance/8
				w.step(false, head, payload)
			case 3: // long loss
				head += distance * 8
				w.step(false, head, payload)
			case 4, 5: // late or duplicate
				w.step(false, head-distance, payload)
			case 6, 7: // retransmission or probe
				w.step(true, head-distance, payload)
			case 8:
				w.step(true, head+distance/8, payload)
			case 9:
				w.tick()
			}
		}
		w.end()
	})
}

// TestAnySource plays anything at all, restarts included: nothing is accepted
// twice, and nothing grows.
func TestAnySource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWatch(t.Fatalf, Config{CachePackets: 32})
		sequence := rapid.Uint16().Draw(t, "first")
		for r := range steps(t) {
			w.u.after(time.Duration(r>>8&0xff) * time.Millisecond)
			switch r & 0x07 {
			case 0:
				sequence = uint16(r >> 16)
				clear(w.asked) // another run of numbers may follow
			case 1:
				w.u.timestamp = r
			default:
				sequence++
			}
			if w.u.stream.Stats().Restarts > 0 || r&0x07 == 0 {
				clear(w.asked)
			}
			w.step(r&0x30 == 0, sequence, deltaPayload)
		}
		w.end()
	})
}

// FuzzReceive delivers packets described by bytes: flags, sequence number, and
// payload of up to seven bytes, of every kind.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x05, 0, 1, 0x10, 0, 0x9d, 1, 0x2a, 0x05, 0, 3, 0x10, 1, 0, 0, 0})
	f.Add([]byte{0x80, 0, 1, 0x80, 0, 2, 0x81, 0, 3, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWatch(t.Fatalf, Config{CachePackets: 32})
		for steps := 0; len(data) >= 3 && steps < 500; steps++ {
			flags, sequence := data[0], binary.BigEndian.Uint16(data[1:])
			n := min(int(flags&7), len(data)-3)
			payload := data[3 : 3+n]
			data = data[3+n:]
			w.u.after(time.Duration(flags>>3&7) * 5 * time.Millisecond)
			clear(w.asked)
			w.step(flags&0x80 != 0, sequence, payload)
		}
		w.end()
	})
}

// FuzzReceiveRTX gives one raw retransmission payload to a stream with a gap.
func FuzzReceiveRTX(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0})
	f.Add([]byte{0, 2})
	f.Add([]byte{0, 2, 0x10, 0, 0x9d, 1, 0x2a})
	f.Add([]byte{0xff, 0xff, 0x80})
	f.Fuzz(func(t *testing.T, payload []byte) {
		payload = payload[:min(len(payload), packet.MaxSize)]
		u := newPublisher(Config{RTXSSRC: repairSSRC, NACK: true})
		u.run(t, 1, 3)
		p := u.packet(repairSSRC, 1, payload...)
		v := u.stream.ReceiveRTX(u.now, p)
		if v == Accepted && (uint16(p.Extended) != p.Sequence || len(p.Payload) != len(payload)-2 || p.SSRC != mediaSSRC) {
			t.Fatalf("not restored: %+v", p)
		}
		p.Release()
		u.close(t)
	})
}

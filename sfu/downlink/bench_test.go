package downlink

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// path is a downlink in the state in which it spends its life: sending, with
// feedback, a full history and every layer granted.
type path struct {
	d        *Downlink
	now      time.Time
	pool     *packet.Pool
	recorder *feedback.Recorder
	report   []byte
	out      Outgoing
	next     int64
}

func newPath(tb testing.TB) *path {
	cfg := config(1)
	cfg.BWE.Known = 20 * units.Mbps
	d, err := New(epoch, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	rec, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		tb.Fatal(err)
	}
	p := &path{d: d, now: epoch, pool: packet.NewPool(), recorder: rec, next: 1}
	d.Assign(p.now, 0, Source{ID: 7, Kind: codec.Opus})
	d.Assign(p.now, 1, Source{ID: 8, Kind: codec.VP8, Layers: []LayerInfo{{0, 1280, 720}}})
	d.SetRates(p.now, 1, []LayerRate{{Rate: 2 * units.Mbps}})
	d.Acknowledge(0, 7)
	d.Acknowledge(1, 8)
	d.Tick(p.now)
	for range 3000 {
		p.audio()
		p.video()
	}
	return p
}

// audio sends one packet of 60 bytes of Opus.
func (p *path) audio() {
	pkt := p.pool.Get()
	pkt.Arrival, pkt.Extended, pkt.Sequence = p.now, p.next, uint16(p.next)
	pkt.SSRC, pkt.Timestamp, pkt.Kind = 5, uint32(p.next)*960, codec.Opus
	pkt.Payload = pkt.Buffer()[:60]
	p.send(0, pkt)
}

// video sends one packet of 1100 bytes of VP8, a frame of its own.
func (p *path) video() {
	pkt := p.pool.Get()
	pkt.Arrival, pkt.Extended, pkt.Sequence = p.now, p.next, uint16(p.next)
	pkt.SSRC, pkt.Timestamp, pkt.Kind, pkt.Marker = 6, uint32(p.next)*3000, codec.VP8, true
	pkt.Payload = pkt.Buffer()[:1100]
	writeVP8(pkt.Payload, true, p.next < 10, uint16(p.next)&0x7fff, uint8(p.next), 0)
	pkt.Info, _ = codec.Inspect(codec.VP8, pkt.Payload, nil, true)
	p.send(1, pkt)
	p.next++
}

func (p *path) send(slot int, pkt *packet.Packet) {
	p.d.Forward(p.now, slot, pkt)
	pkt.Release()
	p.now = p.now.Add(2500 * time.Microsecond)
	for p.d.Poll(p.now, &p.out) {
		p.recorder.OnArrival(p.now, p.out.TransportSequence, p.out.Size)
		p.d.Sent(p.now, &p.out, true)
	}
	if p.recorder.Due(p.now) {
		p.report, _ = p.recorder.Build(p.now, p.report[:0])
		p.d.HandleTransportFeedback(p.now, p.report)
	}
	if next := p.d.Next(); due(p.now, next) {
		p.d.Tick(p.now)
	}
	p.d.events = p.d.events[:0]
}

func TestPacketPathDoesNotAllocate(t *testing.T) {
	p := newPath(t)
	defer p.d.Close()
	st := p.d.Stats()
	for i, s := range st.Slots {
		if s.Packets < 2500 {
			t.Fatalf("slot %d sent only %d packets of 3000: %+v", i, s.Packets, s)
		}
	}
	for name, f := range map[string]func(){"audio": p.audio, "video": p.video} {
		if n := testing.AllocsPerRun(2000, f); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
	pairs := []rtcp.NackPair{{LostPackets: 0x0101}}
	if n := testing.AllocsPerRun(500, func() {
		p.video()
		pairs[0].PacketID = p.d.slots[1].history.newest - 20
		p.d.HandleNACK(p.now, videoSSRC+1, pairs)
		p.d.HandlePLI(p.now, videoSSRC+1)
	}); n != 0 {
		t.Errorf("repair: %v allocations", n)
	}
}

func BenchmarkForwardAudio(b *testing.B) {
	p := newPath(b)
	defer p.d.Close()
	b.ReportAllocs()
	for b.Loop() {
		p.audio()
		p.next++
	}
}

func BenchmarkForwardVP8(b *testing.B) {
	p := newPath(b)
	defer p.d.Close()
	b.ReportAllocs()
	for b.Loop() {
		p.video()
	}
}

// BenchmarkOffer is what a packet costs that a subscriber does not get: one of
// another simulcast layer.
func BenchmarkOffer(b *testing.B) {
	p := newPath(b)
	defer p.d.Close()
	pkt := p.pool.Get()
	defer pkt.Release()
	pkt.Arrival, pkt.SSRC, pkt.Kind, pkt.Layer = p.now, 99, codec.VP8, 1
	pkt.Payload = pkt.Buffer()[:1100]
	b.ReportAllocs()
	for b.Loop() {
		pkt.Extended++
		p.d.Forward(p.now, 1, pkt)
	}
}

func BenchmarkTick(b *testing.B) {
	cfg := config(9)
	d, err := New(epoch, cfg)
	if err != nil {
		b.Fatal(err)
	}
	now := epoch
	d.decision = bwe.Decision{Target: 3 * units.Mbps}
	for i := 1; i <= 9; i++ {
		d.Assign(now, i, Source{ID: uint32(i), Kind: codec.VP8, Layers: []LayerInfo{{0, 320, 180}, {1, 640, 360}, {2, 1280, 720}}})
		var rates []LayerRate
		for s := range int8(3) {
			for t := range int8(3) {
				rates = append(rates, LayerRate{Spatial: s, Temporal: t, Rate: units.Rate(100_000 * (1 << (2 * s)) / (3 - int(t)))})
			}
		}
		d.SetRates(now, i, rates)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.allocate(now)
		d.events = d.events[:0]
	}
}

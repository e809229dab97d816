package downlink

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// FuzzDownlink drives a downlink by any sequence of calls. Whatever comes, it
// does not panic, gives every packet back, and no sequence number of a media
// stream is used for two packets within half the number space.
func FuzzDownlink(f *testing.F) {
	f.Add([]byte{0, 1, 1, 9, 2, 1, 40, 3, 10, 2, 1, 41, 3, 20, 4, 0, 5, 3, 200})
	f.Add([]byte{0, 1, 1, 0, 2, 2, 2, 1, 0, 2, 1, 255, 3, 255, 5, 1, 6, 9, 7, 2, 8, 1, 0, 2, 0, 3, 5})
	f.Add([]byte{0, 2, 12, 5, 2, 0x20, 1, 0, 2, 0x60, 2, 0, 6, 12, 5, 2, 0x20, 2, 1, 2, 0x60, 2, 1, 6, 7, 2, 6, 5, 40, 6})
	f.Add([]byte("a call in which everything that can be said is said in no order at all"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4096 {
			return
		}
		r := newRandomCall(t, script)
		for len(r.script) > 0 {
			r.step()
		}
		r.now = r.now.Add(time.Second)
		r.poll()
		r.d.Close()
		r.d.Tick(r.now)
		r.poll()
		r.forward() // a straggler
		if n := r.pool.InUse(); n != 0 {
			t.Fatalf("%d packets outlive the downlink", n)
		}
	})
}

// randomCall takes what happens from a script.
type randomCall struct {
	t        *testing.T
	script   []byte
	d        *Downlink
	now      time.Time
	pool     *packet.Pool
	recorder *feedback.Recorder
	next     [4]int64 // by input stream
	sent     map[uint64]received
	last     [3]uint16
	out      Outgoing
}

func newRandomCall(t *testing.T, script []byte) *randomCall {
	cfg := config(2)
	cfg.Slots[1].FECSSRC, cfg.Slots[1].FECPayloadType = fecSSRC, fecType
	cfg.Slots[2].REDPayloadType, cfg.Slots[2].ULPPayloadType = redVideoType, ulpType
	d, err := New(epoch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &randomCall{
		t: t, script: script, d: d, now: epoch, pool: packet.NewPool(), recorder: rec,
		next: [4]int64{0, 65500, 40000, 1 << 20}, sent: map[uint64]received{},
	}
}

func (r *randomCall) byte() byte {
	if len(r.script) == 0 {
		return 0
	}
	b := r.script[0]
	r.script = r.script[1:]
	return b
}

func (r *randomCall) step() {
	switch r.byte() % 13 {
	case 0:
		kinds := []codec.Kind{codec.VP8, codec.Opus, codec.AV1, codec.Unknown}
		b := r.byte()
		r.d.Assign(r.now, int(b%4), Source{ID: uint32(b>>2) % 8, Kind: kinds[b>>6], Muted: b == 77,
			Layers: []LayerInfo{{0, 320, 180}, {int8(b), uint16(b) << 8, 9}}})
	case 1:
		r.d.Acknowledge(int(r.byte()%4), uint32(r.byte()%8))
	case 2, 3, 4:
		r.forward()
	case 5:
		r.now = r.now.Add(time.Duration(r.byte()) * time.Millisecond)
		for i := 0; due(r.now, r.d.Next()); i++ {
			if i > 8 {
				r.t.Fatal("the downlink wants the same instant for ever")
			}
			r.d.Tick(r.now)
			r.d.AppendSenderReports(r.now, nil)
			r.poll()
		}
	case 6:
		r.poll()
	case 7:
		b := r.byte()
		r.d.HandleNACK(r.now, videoSSRC+uint32(b%4), []rtcp.NackPair{
			{PacketID: r.last[b%3] - uint16(b>>2), LostPackets: rtcp.PacketBitmap(b) << 5}})
	case 8:
		r.d.HandlePLI(r.now, videoSSRC+uint32(r.byte()%4))
		r.d.Events(nil)
	case 9:
		report, _ := r.recorder.Build(r.now, nil)
		r.d.HandleTransportFeedback(r.now, report)
		n := int(r.byte())
		n = min(n, len(r.script))
		r.d.HandleTransportFeedback(r.now, append([]byte{0x8f, 205, 0, byte(n / 4)}, r.script[:n]...))
	case 10:
		b := r.byte()
		r.d.SetView(r.now, int(b%4), View{Width: uint16(b) << 3, Height: uint16(b) << 2, Hidden: b == 99, MaxSpatial: int8(b)})
		r.d.SetDataMode(r.now, DataMode(b%4))
		r.d.SetRates(r.now, int(b%4), []LayerRate{
			{Rate: units.Rate(b) << 10, Most: units.Rate(b) << 12, Held: b%2 == 0},
			{Spatial: int8(r.byte()), Temporal: int8(r.byte()), Rate: units.Rate(r.byte()) << r.byte(), Most: units.Rate(r.byte()) << r.byte()}})
		r.d.SetDataBudget(r.now, DataBudget{Call: units.Size(b) << (b % 64), Hour: units.Size(b) << 9})
	case 11:
		r.d.HandleREMB(r.now, units.Rate(r.byte())<<(r.byte()%60))
		r.d.HandleReceptionReport(r.now, rtcp.ReceptionReport{SSRC: audioSSRC, FractionLost: r.byte(), LastSenderReport: uint32(r.byte()) << 16})
		r.d.AppendSenderReports(r.now, nil)
	case 12: // repair packets, whatever the path is like
		b := r.byte()
		r.d.slots[1+b%2].setProtection(int(b >> 1 % 9))
		for range 6 {
			r.forward()
		}
		r.poll()
	}
}

func (r *randomCall) forward() {
	b := r.byte()
	stream := b % 4
	p := r.pool.Get()
	defer p.Release()
	r.next[stream] += int64(r.byte()%5) - 1
	p.Arrival, p.Extended = r.now, max(r.next[stream], 0)
	p.Sequence, p.SSRC, p.Layer = uint16(p.Extended), uint32(stream)+50, stream
	p.Timestamp, p.Marker = uint32(r.byte())*3000, b&0x40 != 0
	p.Kind = codec.VP8
	n := 7 + int(b)*4
	if stream == 3 {
		p.Kind, p.Layer = codec.Opus, 0
		n = int(b) % 100
	}
	p.Payload = p.Buffer()[:n]
	if p.Kind == codec.VP8 {
		writeVP8(p.Payload, b&0x20 == 0, b&0x10 == 0, uint16(p.Extended), uint8(p.Extended), b>>2%4)
		p.Info, _ = codec.Inspect(codec.VP8, p.Payload, nil, p.Marker)
	}
	r.d.Forward(r.now, int(b>>4)%4, p)
}

func (r *randomCall) poll() {
	for range 10000 {
		if !r.d.Poll(r.now, &r.out) {
			return
		}
		o := &r.out
		if o.Size <= overhead+12 || o.Size > overhead+12+4+32+packet.MaxSize+2 {
			r.t.Fatalf("size %v", o.Size)
		}
		ok := r.byte() != 3
		r.d.Sent(r.now, o, ok)
		if !ok {
			continue
		}
		r.recorder.OnArrival(r.now, o.TransportSequence, o.Size)
		if o.SSRC != r.d.slots[o.Slot].cfg.SSRC {
			continue
		}
		r.last[o.Slot] = o.Sequence
		key := uint64(o.SSRC)<<16 | uint64(o.Sequence)
		if before, again := r.sent[key]; again && len(r.sent) < 1<<15 {
			r.t.Fatalf("number %d is used twice: %+v and %+v", o.Sequence, before.Outgoing, *o)
		}
		r.sent[key] = received{Outgoing: *o}
	}
	r.t.Fatal("Poll does not end")
}

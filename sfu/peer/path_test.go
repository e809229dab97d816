package peer

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
)

// transportID is the id of the transport-wide extension in these tests.
const transportID = 5

// written is where a slot of a test writes to: it counts, and records what
// arrives, so that the subscriber can report it.
type written struct {
	total    *int
	recorder *feedback.Recorder
	now      time.Time
	report   []byte
}

func (w *written) WriteRTP(h *rtp.Header, payload []byte) (int, error) {
	*w.total++
	if x := h.GetExtension(transportID); len(x) == 2 {
		w.recorder.OnArrival(w.now, binary.BigEndian.Uint16(x), units.Size(60+len(payload)))
	}
	return 12 + len(payload), nil
}

// tell hands a report that is due to the downlink.
func (w *written) tell(now time.Time, d *downlink.Downlink) {
	for more := w.recorder.Due(now); more; {
		w.report, more = w.recorder.Build(now, w.report[:0])
		d.HandleTransportFeedback(now, w.report)
	}
	w.now = now
}

func (w *written) Write(b []byte) (int, error) { return len(b), nil }

type deaf struct{}

func (deaf) StateChanged(State)                          {}
func (deaf) SlotEvents([]downlink.Event)                 {}
func (deaf) EncodingChanged(*Track, []encoding.Encoding) {}

// path is the whole way of a packet but for pion: a publisher with one video
// section, a worker driven by hand, and subscribers with one slot each.
type path struct {
	media       *Media
	worker      *worker
	publisher   *Peer
	track       *Track
	subscribers []*egress
	outs        []*written
	packets     int // written to all subscribers
}

func newPath(t testing.TB, subscribers int) *path {
	t.Helper()
	m := &Media{pool: packet.NewPool(), carried: newCarried()}
	w := newWorker(0, &m.counts)
	m.workers = []*worker{w}
	p := &path{media: m, worker: w}
	p.publisher = p.peer(t, nil)
	g := p.publisher.ingress
	g.sections = []*section{{mid: "1", video: true}}
	g.declared[7] = declaredSSRC{section: g.sections[0]}
	g.formats[96] = profile.Format{Kind: codec.VP8}
	track, ok := p.publisher.Publish("1", TrackConfig{ID: 1, Video: true, Layers: []downlink.LayerInfo{{Width: 320, Height: 180}}})
	if !ok {
		t.Fatal("the section was not found")
	}
	p.track = track
	for i := range subscribers {
		recorder, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
		if err != nil {
			t.Fatal(err)
		}
		out := &written{total: &p.packets, recorder: recorder, now: time.Now()}
		p.outs = append(p.outs, out)
		slots := []*slotTrack{{video: true, writer: out, extensions: profile.IDs{TransportWide: transportID}, ssrc: uint32(100 + i), rtx: uint32(1000 + i), nack: true,
			codecs: []downlink.Codec{{Kind: codec.VP8, PayloadType: 96, RTXPayloadType: 97}}}}
		s := p.peer(t, slots)
		p.subscribers = append(p.subscribers, s.egress)
		s.egress.assign(time.Now(), 0, track, downlink.Source{ID: 1, Kind: codec.VP8, Layers: track.Layers})
		s.egress.tick(time.Now().Add(time.Millisecond)) // the first allocation
	}
	return p
}

// peer makes a peer without a connection.
func (p *path) peer(t testing.TB, slots []*slotTrack) *Peer {
	t.Helper()
	peer := &Peer{media: p.media, worker: p.worker, handler: deaf{}, slots: slots, mux: &boundMux{}}
	var err error
	if peer.ingress, err = newIngress(peer); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cfg := downlink.Config{Overhead: wire.UsualOverhead, BWE: bwe.DefaultConfig(), TransportWide: true}
	cfg.BWE.Known = cfg.BWE.Initial // begin with video
	for _, s := range slots {
		cfg.Slots = append(cfg.Slots, s.config())
	}
	down, err := downlink.New(now, cfg)
	if err != nil {
		t.Fatal(err)
	}
	peer.egress = &egress{peer: peer, down: down, slots: slots, tracks: make([]*Track, len(slots)), index: -1}
	peer.egress.ratesAt, peer.egress.statsAt = now.Add(time.Hour), now.Add(time.Hour)
	peer.connected.Store(true)
	p.worker.attach(now, peer.egress)
	return peer
}

// turn runs the worker once, after the subscribers have told what arrived.
func (p *path) turn(now time.Time) {
	for i, e := range p.subscribers {
		p.outs[i].tell(now, e.down)
	}
	for _, it := range p.worker.inbox.Take() {
		p.worker.handle(now, it)
	}
	p.worker.flush(now)
}

func (p *path) close() {
	for _, e := range p.subscribers {
		e.close()
	}
	p.publisher.egress.close()
	p.publisher.ingress.close()
}

// vp8 is one packet: a whole key frame or a whole delta frame of RFC 7741.
func vp8(sequence uint16, timestamp uint32, keyframe bool, size int) []byte {
	b := make([]byte, 12+size)
	b[0], b[1] = 0x80, 0x80|96
	binary.BigEndian.PutUint16(b[2:], sequence)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], 7)
	b[12] = 0x10 // S, PID 0
	b[13] = 1    // P: not a key frame
	if keyframe {
		b[13] = 0
		copy(b[16:], []byte{0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00})
	}
	return b
}

func TestOnePacketReachesEverySubscriber(t *testing.T) {
	p := newPath(t, 3)
	now := time.Now()
	p.publisher.ingress.receiveRTP(vp8(1, 0, true, 300))
	for i := range 10 {
		p.turn(now.Add(time.Duration(i) * 10 * time.Millisecond))
	}
	if p.packets != 3 {
		t.Errorf("%d packets were written, want one for each of 3 subscribers", p.packets)
	}
	p.close()
	if n := p.media.BuffersInUse(); n != 0 {
		t.Errorf("%d buffers outlived the peers", n)
	}
}

func TestMutedTrackIsNotForwarded(t *testing.T) {
	p := newPath(t, 1)
	defer p.close()
	p.track.SetMuted(true)
	p.publisher.ingress.receiveRTP(vp8(1, 0, true, 300))
	p.turn(time.Now())
	if p.packets != 0 {
		t.Errorf("%d packets of a muted track were written", p.packets)
	}
}

func TestLeavingSubscriberEndsTheFanOut(t *testing.T) {
	p := newPath(t, 2)
	defer p.close()
	for _, e := range p.subscribers {
		e.assign(time.Now(), 0, nil, downlink.Source{})
	}
	if p.track.active.Load() != 0 {
		t.Error("a worker without subscribers is still marked")
	}
	p.publisher.ingress.receiveRTP(vp8(1, 0, true, 300))
	if waiting := len(p.worker.inbox.Take()); waiting > 1 { // 1: the tick that the publisher's feedback asked for
		t.Errorf("%d things wait for a worker without subscribers", waiting)
	}
}

func TestUnknownAndDamagedPacketsAreCounted(t *testing.T) {
	p := newPath(t, 1)
	defer p.close()
	g := p.publisher.ingress
	stranger := vp8(1, 0, true, 300)
	binary.BigEndian.PutUint32(stranger[8:], 8)
	unknownType := vp8(2, 0, true, 300)
	unknownType[1] = 99
	liar := vp8(3, 0, false, 300)
	liar[0] |= 0x20 // padding bit; the last byte, 0, cannot be its length
	for _, b := range [][]byte{stranger, unknownType, liar, liar[:5], nil, make([]byte, packet.MaxSize+1)} {
		g.receiveRTP(b)
	}
	s := p.media.Stats()
	if s.Unknown != 2 || s.Malformed != 3 || s.Oversized != 1 {
		t.Errorf("counted unknown %d, malformed %d, oversized %d; want 2, 3, 1", s.Unknown, s.Malformed, s.Oversized)
	}
	p.turn(time.Now())
	if p.packets != 0 {
		t.Errorf("%d damaged packets were forwarded", p.packets)
	}
}

func TestManyStreamsAreBounded(t *testing.T) {
	p := newPath(t, 0)
	defer p.close()
	b := vp8(1, 0, true, 100)
	for ssrc := range uint32(10_000) {
		binary.BigEndian.PutUint32(b[8:], 1_000_000+ssrc)
		p.publisher.ingress.receiveRTP(b)
	}
	if n := len(p.publisher.ingress.inbounds); n > maxStreams {
		t.Errorf("a hostile peer made %d streams, want at most %d", n, maxStreams)
	}
}

func TestAnythingMayArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Media{pool: packet.NewPool()}
		m.workers = []*worker{newWorker(0, &m.counts)}
		p := &Peer{media: m, worker: m.workers[0], handler: deaf{}, mux: &boundMux{}}
		var err error
		if p.ingress, err = newIngress(p); err != nil {
			t.Fatal(err)
		}
		p.egress = &egress{peer: p, index: -1}
		g := p.ingress
		g.sections = []*section{{mid: "1", video: true}}
		for i := range g.formats {
			g.formats[i].Kind = codec.Kind(i % 9)
		}
		g.ids = profile.IDs{MID: 1, RID: 2, RepairedRID: 3, AudioLevel: 4, TransportWide: 5, Orientation: 6, Descriptor: 7}
		p.Publish("1", TrackConfig{ID: 1, Video: true})
		for range rapid.IntRange(1, 20).Draw(t, "packets") {
			b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "packet")
			if len(b) > 0 {
				b[0] = 0x80 | b[0]&0x3f
			}
			g.receiveRTP(b)
		}
		g.close()
		if n := m.BuffersInUse(); n != 0 {
			t.Fatalf("%d buffers are still held", n)
		}
	})
}

// BenchmarkPath is one VP8 packet from the SRTP loop to the write of every
// subscriber, everything but encryption and the system call.
func BenchmarkPath(b *testing.B) {
	for _, subscribers := range []int{1, 10, 100} {
		b.Run(map[int]string{1: "1", 10: "10", 100: "100"}[subscribers], func(b *testing.B) {
			p := newPath(b, subscribers)
			defer p.close()
			now := time.Now()
			p.publisher.ingress.receiveRTP(vp8(0, 0, true, 300))
			p.turn(now)
			raw := vp8(1, 3000, false, 300)
			sequence, timestamp := uint16(1), uint32(3000)
			b.ReportAllocs()
			for b.Loop() {
				binary.BigEndian.PutUint16(raw[2:], sequence)
				binary.BigEndian.PutUint32(raw[4:], timestamp)
				p.publisher.ingress.receiveRTP(raw)
				now = now.Add(33 * time.Millisecond)
				p.turn(now)
				sequence, timestamp = sequence+1, timestamp+3000
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(p.packets, 1)), "ns/forwarded")
			b.ReportMetric(float64(p.packets)/float64(b.N*subscribers), "written/offered")
		})
	}
}

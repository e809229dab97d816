package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// idleLook is how often it is looked round when nothing is due.
const idleLook = time.Second

// ingress is what comes in. The SRTP loop fills it and the run loop ticks it;
// one leaf lock guards it.
type ingress struct {
	media     *media
	sources   []atomic.Uint32 // by slot: the short id of what signalling says is there
	malformed atomic.Uint64

	mu     sync.Mutex
	closed bool
	header rtp.Header // reused
	lost   rtp.Header // of what was repaired; reused
	// recovered waits to be told of.
	recovered []recovered
	inbounds  map[uint32]*inbound
	list      []*inbound
	formats   [128]profile.Format
	ids       profile.IDs
	recorder  *feedback.Recorder
	rtt       time.Duration
	ended     Stats // of streams that were replaced
	unknown   uint64
	heard     bool // media has come

	nextTick  time.Time
	clock     feedback.ReceiverClock
	players   []*player // by audio slot; nil before the first packet
	sequences []uint16  // scratch
	reports   []byte    // scratch
}

func newIngress(m *media) (*ingress, error) {
	recorder, err := feedback.NewRecorder(wire.RecorderConfig())
	if err != nil {
		return nil, err
	}
	o := &m.call.opts
	return &ingress{
		media: m, recorder: recorder, inbounds: make(map[uint32]*inbound),
		sources: make([]atomic.Uint32, o.AudioSlots+o.VideoSlots),
		players: make([]*player, o.AudioSlots+o.VideoSlots),
	}, nil
}

// start learns from the answer which stream is which slot.
func (g *ingress) start(settled profile.Description, slots []signal.Slot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.formats, g.ids = settled.Formats, settled.IDs
	bySlot := make(map[string]int)
	for _, s := range slots {
		bySlot[s.MID] = s.Slot
	}
	for _, s := range settled.Sections {
		slot, ours := bySlot[s.MID]
		if !ours || !s.Sends {
			continue
		}
		for ssrc, repairs := range s.Streams {
			in := &inbound{slot: slot, ssrc: ssrc, repair: repairs != 0}
			g.inbounds[ssrc] = in
			g.list = append(g.list, in)
		}
		for ssrc, repairs := range s.Streams {
			g.inbounds[ssrc].media = g.inbounds[repairs]
		}
		for ssrc, protected := range s.Protects {
			if media := g.inbounds[protected]; media != nil {
				g.inbounds[ssrc] = &inbound{slot: slot, ssrc: ssrc, protects: media}
			}
		}
	}
}

// setSource notes what signalling says of a slot.
func (g *ingress) setSource(slot int, source uint32) {
	if slot >= 0 && slot < len(g.sources) {
		g.sources[slot].Store(source)
	}
}

// receive takes one decrypted RTP packet from the SRTP loop.
func (g *ingress) receive(b []byte) {
	now := time.Now()
	g.mu.Lock()
	p, slot := g.take(now, b)
	source := uint32(0)
	if len(g.header.CSRC) > 0 {
		source = g.header.CSRC[0]
	}
	// Only this goroutine, the SRTP loop, fills the list.
	back := g.recovered
	g.recovered = g.recovered[len(g.recovered):]
	g.mu.Unlock()
	if p != nil {
		g.tell(p, slot, source)
	}
	for _, r := range back {
		g.tell(r.packet, r.slot, r.source)
	}
}

// tell hands a packet to the application and gives it back.
func (g *ingress) tell(p *packet.Packet, slot int, source uint32) {
	if on := g.media.call.opts.OnPacket; on != nil && !g.media.call.direct.hides(slot, p.Kind) {
		if source == 0 && slot < len(g.sources) {
			source = g.sources[slot].Load()
		}
		on(slot, source, p)
	}
	p.Release()
}

// take runs a packet through its stream. It answers a new packet of media with
// its slot, or nil.
func (g *ingress) take(now time.Time, b []byte) (*packet.Packet, int) {
	if g.closed {
		return nil, 0
	}
	defer g.schedule(now)
	h := &g.header
	n, err := h.Unmarshal(b)
	if err != nil {
		g.malformed.Add(1)
		return nil, 0
	}
	if g.media.byStream { // the socket does not tell the ECN codepoint
		g.recorder.OnStream(now, h.SSRC, h.SequenceNumber, units.Size(len(b))+wire.UsualOverhead, 0)
	} else if x := profile.Value(h, g.ids.TransportWide); len(x) >= 2 {
		g.recorder.OnArrival(now, uint16(x[0])<<8|uint16(x[1]), units.Size(len(b))+wire.UsualOverhead)
	}
	in := g.inbounds[h.SSRC]
	if in == nil {
		g.unknown++
		return nil, 0
	}
	if in.protects != nil {
		g.protect(now, in, b, n)
		return nil, 0
	}
	p := g.media.pool.Get()
	if !tap.Fill(p, now, h, n, b, g.ids) {
		g.malformed.Add(1)
		p.Release()
		return nil, 0
	}
	target, verdict := g.accept(now, in, p)
	if !in.repair && target != nil {
		g.remember(now, target, b)
	}
	if target == nil || verdict != uplink.Accepted {
		if target != nil && p.Extended != 0 && (verdict == uplink.Padding || verdict == uplink.Malformed) {
			target.count(p.Extended) // the number is used up all the same
			g.skip(now, target, p.Sequence)
		}
		p.Release()
		return nil, 0
	}
	target.count(p.Extended)
	target.received++
	if target.kind.Audio() {
		g.play(now, target.slot, p)
	}
	if !g.heard {
		g.heard = true
		g.media.call.stages.note(&g.media.call.stages.first, g.media.call.started)
	}
	return p, target.slot
}

// routeChanged says that what we receive takes another path.
func (g *ingress) routeChanged() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.recorder.RouteChanged()
}

// accept hands a packet to the stream that it belongs to.
func (g *ingress) accept(now time.Time, in *inbound, p *packet.Packet) (*inbound, uplink.Verdict) {
	format := g.formats[p.PayloadType&0x7f]
	if in.repair {
		target := in.media
		if target == nil || target.stream == nil {
			return nil, 0
		}
		p.PayloadType = format.APT
		p.Kind = g.formats[format.APT&0x7f].Kind
		return target, target.stream.ReceiveRTX(now, p)
	}
	if format.Kind == codec.Unknown || format.Kind.Repairs() {
		g.unknown++
		return nil, 0
	}
	g.ensureStream(in, format)
	g.recorder.OnMedia(now, p.SSRC, p.Timestamp, format.Kind.ClockRate())
	p.Kind = format.Kind
	return in, in.stream.Receive(now, p)
}

// ensureStream makes the stream of an inbound; a codec of another clock is
// another stream.
func (g *ingress) ensureStream(in *inbound, format profile.Format) {
	old, kind := in.kind, format.Kind
	in.kind = kind
	if in.stream != nil {
		if old.ClockRate() == kind.ClockRate() {
			return
		}
		in.addTo(&g.ended)
		in.stream.Close()
		in.numbers, in.lostBefore, in.received, in.givenUp = 0, 0, 0, 0
	}
	cfg := uplink.Config{SSRC: in.ssrc, Kind: kind, NACK: kind.Video() || format.NACK}
	if kind.Video() {
		cfg.CachePackets = g.media.call.opts.CachePackets
	}
	in.stream = uplink.New(cfg)
	in.stream.SetRTT(g.rtt)
	g.recorder.SetMedia(in.ssrc)
}

// schedule makes sure that the run loop comes in time; with the lock held.
func (g *ingress) schedule(now time.Time) {
	next := g.next(now)
	if !g.nextTick.IsZero() && !next.Before(g.nextTick) {
		return
	}
	g.nextTick = next
	e := g.media.egress
	g.media.post(func(time.Time) {
		if e.ingressAt.IsZero() || next.Before(e.ingressAt) {
			e.ingressAt = next
		}
	})
}

// next is when tick has something to do.
func (g *ingress) next(now time.Time) time.Time {
	next := now.Add(idleLook)
	consider := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	consider(g.clock.Next(g.recorder))
	consider(g.recorder.Next())
	for _, in := range g.list {
		if in.stream != nil {
			consider(in.stream.Next())
		}
	}
	return next
}

// tick says what the server must hear now, and when it wants to be asked again.
func (g *ingress) tick(now time.Time, dst []rtcp.Packet) ([]rtcp.Packet, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return dst, time.Time{}
	}
	dst, g.reports = wire.AppendFeedback(now, g.recorder, g.reports, dst)
	report := g.clock.Due(now, g.recorder, len(dst) > 0)
	lossy := false
	var blocks []rtcp.ReceptionReport
	for _, in := range g.list {
		if in.stream == nil {
			continue
		}
		in.stream.Tick(now)
		dst = g.appendRequests(now, in, dst)
		if report {
			if block, ok := in.stream.ReceptionReport(now); ok {
				lossy = lossy || block.FractionLost > 0
				blocks = append(blocks, block)
			}
		}
	}
	if report {
		g.clock.Sent(now, g.recorder, len(blocks), lossy)
		dst = wire.AppendReceiverReports(dst, blocks)
	}
	g.nextTick = g.next(now)
	return dst, g.nextTick
}

// appendRequests asks for packets, and for a key frame when packets were given
// up: nothing here decodes, but who watches would need it.
func (g *ingress) appendRequests(now time.Time, in *inbound, dst []rtcp.Packet) []rtcp.Packet {
	g.sequences = in.stream.AppendNACKs(now, g.sequences[:0])
	dst = wire.AppendNACK(dst, in.ssrc, g.sequences)
	if n := in.stream.Stats().GivenUp; n != in.givenUp && in.kind.Video() {
		in.givenUp = n
		in.stream.WantKeyframe(now)
	}
	if in.stream.KeyframeDue(now) {
		dst = append(dst, &rtcp.PictureLossIndication{MediaSSRC: in.ssrc})
	}
	return dst
}

// onSenderReport ties the server's clock to its timestamps.
func (g *ingress) onSenderReport(now time.Time, sr *rtcp.SenderReport) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in := g.inbounds[sr.SSRC]; in != nil && in.stream != nil {
		in.stream.OnSenderReport(now, sr.NTPTime, sr.RTPTime)
	}
}

// setRTT tells the streams the round-trip time of the path.
func (g *ingress) setRTT(rtt time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rtt = rtt
	for _, in := range g.list {
		if in.stream != nil {
			in.stream.SetRTT(rtt)
		}
	}
}

// close gives every packet back. The statistics stay.
func (g *ingress) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.playout(time.Now())
	g.closed = true
	for _, in := range g.list {
		if in.stream != nil {
			in.stream.Close()
		}
	}
}

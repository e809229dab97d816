package client

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// leastRate is the thinnest that a video layer is worth sending.
	leastRate = 30 * units.Kbps
	// rungs is how many operating points stand for an encoder that can send
	// anything between its least and its largest rate.
	rungs = 6
	// wholeStream is a temporal layer above all that there are: every rung
	// passes the whole stream, and only its rate tells it from the others.
	wholeStream = 7
	// allInside is the same of the spatial layers inside one stream.
	allInside = 7
	// payloadShare is what of a wire rate is payload, of a thin layer.
	payloadShare = 0.9
	// pathEvery is how often the path is looked at: its round trip and overhead.
	pathEvery = time.Second
)

// egress is what goes out. Everything in it belongs to the run loop, once the
// loop runs.
type egress struct {
	media   *media
	down    *downlink.Downlink
	streams []*stream // by slot
	begun   bool      // the path was open once
	closed  bool

	pathAt     time.Time
	rememberAt time.Time
	ingressAt  time.Time // when the incoming side wants its tick

	// Reused for each packet.
	out        downlink.Outgoing
	header     rtp.Header
	extensions extensionBuffers
	events     []downlink.Event
	reports    []rtcp.SenderReport
	packets    []rtcp.Packet
	rates      []downlink.LayerRate
	levels     []uint8 // by slot: RFC 6464 byte of the newest packet
}

// extensionBuffers keep the bytes of header extensions, which pion reads only
// when the packet is written.
type extensionBuffers struct {
	transport [2]byte
	level     [1]byte
	mid, rid  []byte
}

// start makes the downlink of everything that was bound. It runs before the
// loop does.
func (e *egress) start(now time.Time, settled profile.Description) error {
	var seed [8]byte
	rand.Read(seed[:]) // never fails (crypto/rand)
	cfg := downlink.Config{
		Overhead:       wire.UsualOverhead,
		TransportWide:  settled.IDs.TransportWide != 0,
		StreamFeedback: e.media.byStream,
		AudioLevel:     settled.IDs.AudioLevel != 0,
		BWE:            *e.media.call.opts.BWE,
		Seed:           binary.LittleEndian.Uint64(seed[:]),
		Recorder:       e,
		PlainVoice:     e.media.call.opts.PlainVoice,
		Repair:         e.media.call.opts.Repair,
	}
	o := &e.media.call.opts
	if known := o.Memory.recall(now, o.Network); known > 0 && cfg.BWE.Known == 0 {
		cfg.BWE.Known = min(max(known, cfg.BWE.Min), cfg.BWE.Max)
	}
	for _, s := range e.media.call.order {
		for _, st := range s.streams {
			if st.track.writer == nil {
				return fmt.Errorf("client: the server refuses %s", s.source)
			}
			st.slot = len(e.streams)
			e.streams = append(e.streams, st)
			cfg.Slots = append(cfg.Slots, st.track.config())
		}
	}
	e.levels = make([]uint8, len(e.streams))
	var err error
	if e.down, err = downlink.New(now, cfg); err != nil {
		return fmt.Errorf("start sending: %w", err)
	}
	return nil
}

// sourceID is the downlink's name for what a slot carries.
func sourceID(slot int) uint32 { return uint32(slot) + 1 }

// begin fills the slots of a sender.
func (e *egress) begin(now time.Time, s *Sender, p Publication) {
	if e.closed {
		return
	}
	for i, st := range s.streams {
		source := downlink.Source{ID: sourceID(st.slot), Kind: p.Kind, Muted: false}
		most := p.MaxRate
		if s.source.Video() {
			if len(s.streams) == 1 && (p.Kind == codec.VP9 || p.Kind == codec.AV1) {
				st.inside = allInside
			}
			info := downlink.LayerInfo{Spatial: st.inside, Width: uint16(p.Width), Height: uint16(p.Height)}
			if i < len(p.Layers) {
				info.Width, info.Height = uint16(p.Layers[i].Width), uint16(p.Layers[i].Height)
				if r := units.Rate(p.Layers[i].MaxRate); r > 0 {
					most = r
				}
			}
			source.Layers = []downlink.LayerInfo{info}
		}
		st.most = most
		e.down.Assign(now, st.slot, source)
		e.down.Acknowledge(st.slot, source.ID) // no contributing source on the way up
		e.down.SetView(now, st.slot, downlink.View{Priority: uint8(len(s.streams) - i), MaxSpatial: downlink.AnySpatial})
		e.down.SetRates(now, st.slot, e.ladder(st.inside, most))
	}
}

// limit holds the layers to what the server wants of them.
func (e *egress) limit(now time.Time, s *Sender, layers []signal.EncodeLayer) {
	if e.closed {
		return
	}
	for i, st := range s.streams {
		if i >= len(layers) {
			return
		}
		view := downlink.View{Priority: uint8(len(s.streams) - i), MaxSpatial: downlink.AnySpatial, Hidden: !layers[i].Active}
		e.down.SetView(now, st.slot, view)
		most := st.most
		if cap := units.Rate(layers[i].MaxRate); cap > 0 {
			most = min(most, cap.Scale(1/payloadShare))
		}
		e.down.SetRates(now, st.slot, e.ladder(st.inside, most))
	}
}

// ladder says that the encoder of a stream, with layers up to inside, can follow
// any rate up to most: the downlink then knows what a larger estimate would be good for.
func (e *egress) ladder(inside int8, most units.Rate) []downlink.LayerRate {
	e.rates = e.rates[:0]
	rate := min(leastRate, most)
	for i := range rungs {
		if i == rungs-1 {
			rate = most
		}
		e.rates = append(e.rates, downlink.LayerRate{Spatial: inside, Temporal: int8(wholeStream + i), Rate: rate})
		rate = min(2*rate, most)
	}
	return e.rates
}

// finish empties the slots of a sender.
func (e *egress) finish(now time.Time, s *Sender) {
	if e.closed {
		return
	}
	for _, st := range s.streams {
		e.down.Assign(now, st.slot, downlink.Source{})
	}
	s.target.Store(0)
}

// forward offers one packet and gives its reference back.
func (e *egress) forward(now time.Time, st *stream, p *packet.Packet) {
	if p.HasAudioLevel {
		e.levels[st.slot] = p.AudioLevel & 0x7f
		if p.VoiceActive {
			e.levels[st.slot] |= 0x80
		}
	}
	if e.begun || st.track.video {
		e.down.Forward(now, st.slot, p)
	} else {
		e.down.Hold(st.slot, p)
	}
	p.Release()
}

// tick does what is due, sends what may leave, and answers when it wants to be
// asked again.
func (e *egress) tick(now time.Time) time.Time {
	e.down.Tick(now)
	if !e.ingressAt.IsZero() && !e.ingressAt.After(now) {
		e.packets, e.ingressAt = e.media.ingress.tick(now, e.packets[:0])
		e.writeRTCP()
	}
	up := e.media.up.Load()
	if up && !e.pathAt.After(now) {
		e.pathAt = now.Add(pathEvery)
		e.lookAtPath(now)
	}
	if up && !e.rememberAt.After(now) {
		e.rememberAt = now.Add(rememberEvery)
		o := &e.media.call.opts
		o.Memory.keep(now, o.Network, e.down.Stats().Path.Capacity)
	}
	if e.down.ReportDue(now) {
		e.reports = e.down.AppendSenderReports(now, e.reports[:0])
		e.packets = e.packets[:0]
		for i := range e.reports {
			e.packets = append(e.packets, &e.reports[i])
		}
		e.writeRTCP()
	}
	if up {
		for e.down.Poll(now, &e.out) {
			n, err := e.write()
			e.down.Sent(now, &e.out, err == nil && n > 0)
		}
	}
	e.handleEvents()
	for _, st := range e.streams {
		if !st.track.video {
			st.sender.room.Store(int64(e.down.VoiceRoom(st.slot)))
		}
	}
	next := now.Add(idleTick)
	due := [...]time.Time{e.ingressAt, e.down.Next(), e.pathAt}
	for i, t := range due {
		if i > 0 && !up {
			break // nothing can leave yet; connecting wakes the loop
		}
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

func (e *egress) writeRTCP() {
	if len(e.packets) > 0 && e.media.up.Load() {
		// Errors mean that the path is gone; its state tells so.
		_ = e.media.connection.WriteRTCP(e.packets)
	}
}

// write hands one packet to pion.
func (e *egress) write() (int, error) {
	o := &e.out
	st := e.streams[o.Slot]
	t := st.track
	ids := &t.extensions
	h := &e.header
	h.Version = 2
	h.Marker, h.PayloadType, h.SequenceNumber, h.Timestamp, h.SSRC = o.Marker, o.PayloadType, o.Sequence, o.Timestamp, o.SSRC
	h.Padding, h.PaddingSize = o.Padding > 0, o.Padding
	profile.Clear(h)
	if o.HasTransportSequence {
		e.extensions.transport = [2]byte{byte(o.TransportSequence >> 8), byte(o.TransportSequence)}
		profile.Add(h, ids.TransportWide, e.extensions.transport[:])
	}
	if o.Kind == bwe.Voice {
		// That of the newest packet stands for those that wait before it:
		// voice hardly ever waits.
		e.extensions.level[0] = e.levels[o.Slot]
		profile.Add(h, ids.AudioLevel, e.extensions.level[:])
	}
	if !t.heard {
		e.name(h, st, o.SSRC != t.ssrc)
	}
	profile.Add(h, ids.Descriptor, o.Descriptor)
	return t.writer.WriteRTP(h, o.Payload)
}

// name says which section and layer a packet belongs to (RFC 8843, RFC 8852).
func (e *egress) name(h *rtp.Header, st *stream, repair bool) {
	t := st.track
	x := &e.extensions
	x.mid = append(x.mid[:0], t.transceiver.Mid()...)
	profile.Add(h, t.extensions.MID, x.mid)
	x.rid = append(x.rid[:0], t.rid...)
	if repair {
		profile.Add(h, t.extensions.RepairedRID, x.rid)
		return
	}
	profile.Add(h, t.extensions.RID, x.rid)
}

// onReports hears what the server received.
func (e *egress) onReports(now time.Time, reports []rtcp.ReceptionReport) {
	for _, r := range reports {
		e.down.HandleReceptionReport(now, r)
		for _, st := range e.streams {
			if st.track.ssrc == r.SSRC {
				st.track.heard = true
			}
		}
	}
}

// handleEvents turns wishes for key frames into those of layers.
func (e *egress) handleEvents() {
	e.events = e.down.Events(e.events[:0])
	for _, ev := range e.events {
		if ev.Kind == downlink.KeyframeWanted && ev.Slot < len(e.streams) {
			st := e.streams[ev.Slot]
			st.sender.wanted.Or(1 << st.layer)
		}
	}
}

// Decided is of no interest; Granted follows it.
func (e *egress) Decided(time.Time, bwe.Decision) {}

// Granted divides the budget: voice as it is, the rest among the pictures.
func (e *egress) Granted(_ time.Time, budget units.Rate, grants []allocator.Grant) {
	pictures := 0
	for _, s := range e.media.call.order {
		if s.active(grants) && s.source.Video() {
			pictures++
		}
	}
	for _, g := range grants {
		if st := e.streams[g.Slot]; !st.sender.source.Video() {
			st.sender.target.Store(int64(g.Rate))
			budget -= g.Rate
		}
	}
	for _, s := range e.media.call.order {
		if s.source.Video() {
			share := units.Rate(0)
			if s.active(grants) {
				share = max(budget, 0) / units.Rate(pictures)
			}
			s.target.Store(int64(share))
		}
	}
}

// active says whether any stream of the sender was granted anything.
func (s *Sender) active(grants []allocator.Grant) bool {
	for _, st := range s.streams {
		if st.slot < len(grants) && grants[st.slot].Active() {
			return true
		}
	}
	return false
}

// connected begins on a path; again when it is another than before.
func (e *egress) connected(now time.Time, again bool) {
	e.lookAtPath(now)
	e.down.SuggestRTT(now, time.Duration(e.media.rtt.Load()))
	if !e.begun {
		e.begun = true
		e.down.Begin(now)
	}
	if again {
		e.media.ingress.routeChanged()
		e.down.RouteChanged(now)
	}
}

// close gives every packet back. The loop has ended.
func (e *egress) close() {
	e.closed = true
	if e.down != nil {
		e.down.Close()
	}
}

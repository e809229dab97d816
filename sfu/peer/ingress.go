package peer

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

const (
	// maxStreams bounds the RTP streams that one peer may send: 2 video
	// sections of 4 layers with retransmission, 2 audio, and some restarts.
	maxStreams = 48
	// maxUnresolved bounds the packets of one unknown stream that are looked
	// at for the ids that name it, before it is ignored for good.
	maxUnresolved = 512
	// idleLook is how often it is looked round when nothing is due.
	idleLook = time.Second
	// limitEvery is how often a limit is told to a publisher that takes no orders.
	limitEvery = time.Second
	// measureEvery is how often rates of layers are measured.
	measureEvery = 500 * time.Millisecond
)

// section is one media section on which the peer sends.
type section struct {
	mid   string
	video bool
	// rids in the order of the offer's a=simulcast line.
	rids  []string
	track *Track
}

// inbound is one incoming RTP stream.
type inbound struct {
	ssrc    uint32
	section *section
	// layer is the simulcast layer's place, or -1 while its rid is not one of
	// those of the published track.
	rid    string
	repair bool // carries retransmissions of another stream
	stream *uplink.Stream
	kind   codec.Kind
	delay  voice.Delay // of sound
	// media is the stream that a repair stream repairs, once known.
	media *inbound
	// decoder uses the repair packets that protect the stream, nil while there are
	// none; the last of them came at protectedAt.
	decoder     *fec.Decoder
	protectedAt time.Time
	repaired    uint64 // packets that they brought back

	unresolved int
}

// ingress is a peer's incoming side. The SRTP loop of the peer fills it and the
// peer's worker ticks it; one leaf lock guards it.
type ingress struct {
	peer *Peer

	mu       sync.Mutex
	closed   bool
	header   rtp.Header // reused, so that parsing does not allocate
	lost     rtp.Header // of what was repaired; reused
	decoders int        // streams that are protected
	inbounds map[uint32]*inbound
	list     []*inbound // the same, to walk over
	sections []*section
	declared map[uint32]declaredSSRC
	formats  [128]profile.Format
	ids      profile.IDs
	recorder *feedback.Recorder
	rtt      time.Duration
	echo     echo

	heardAt time.Time // when anything came last
	lifting int       // how often the end of a limit is still to be told

	nextTick  time.Time // what the worker was told
	clock     feedback.ReceiverClock
	limitAt   time.Time
	measureAt time.Time

	sequences []uint16 // scratch
	feedback  []byte   // scratch
}

// declaredSSRC is what the offer's a=ssrc lines say of a stream.
type declaredSSRC struct {
	section *section
	repairs uint32 // from a=ssrc-group:FID, 0 for a media stream
}

func newIngress(p *Peer) (*ingress, error) {
	recorder, err := feedback.NewRecorder(wire.RecorderConfig())
	if err != nil {
		return nil, err
	}
	return &ingress{
		peer:     p,
		inbounds: make(map[uint32]*inbound),
		declared: make(map[uint32]declaredSSRC),
		recorder: recorder,
	}, nil
}

// receiveRTP takes one decrypted RTP packet from the SRTP loop.
func (g *ingress) receiveRTP(b []byte) {
	now := time.Now()
	g.peer.media.counts.received.Add(1)
	if len(b) > packet.MaxSize {
		g.peer.media.counts.oversized.Add(1)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	h := &g.header
	n, err := h.Unmarshal(b)
	if err != nil {
		g.peer.media.counts.malformed.Add(1)
		return
	}
	g.heardAt = now
	g.recordArrival(now, len(b))
	if g.formats[h.PayloadType&0x7f].Kind == codec.FEC {
		g.protect(now, b[n:])
		g.schedule(now)
		return
	}
	in := g.resolve(h)
	if in == nil {
		g.peer.media.counts.unknown.Add(1)
		g.schedule(now)
		return
	}
	if p := g.fill(now, b, n); p != nil {
		g.accept(now, in, p)
		p.Release()
		g.remember(now, in, b)
	}
	g.schedule(now)
}

// recordArrival notes the packet for the reports that were negotiated. Our
// sockets do not tell the ECN codepoint, so none is reported.
func (g *ingress) recordArrival(now time.Time, size int) {
	weight := units.Size(size) + wire.UsualOverhead
	if g.peer.byStream {
		g.recorder.OnStream(now, g.header.SSRC, g.header.SequenceNumber, weight, 0)
		return
	}
	if x := profile.Value(&g.header, g.ids.TransportWide); len(x) >= 2 {
		g.recorder.OnArrival(now, uint16(x[0])<<8|uint16(x[1]), weight)
	}
}

// routeChanged says that the publisher's packets take another path.
func (g *ingress) routeChanged() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.recorder.RouteChanged()
}

// fill copies the packet into a buffer of the pool; nil when its padding lies.
func (g *ingress) fill(now time.Time, b []byte, headerSize int) *packet.Packet {
	p := g.peer.media.pool.Get()
	if !tap.Fill(p, now, &g.header, headerSize, b, g.ids) {
		p.Release()
		g.peer.media.counts.malformed.Add(1)
		return nil
	}
	return p
}

// accept runs the packet through its uplink and hands it on.
func (g *ingress) accept(now time.Time, in *inbound, p *packet.Packet) {
	target := in
	var verdict uplink.Verdict
	if in.repair {
		format := g.formats[p.PayloadType&0x7f]
		if target = in.media; target == nil || target.stream == nil || format.Kind != codec.RTX {
			return
		}
		p.PayloadType, p.Kind = format.APT, g.formats[format.APT].Kind // RFC 4588 §8.1
		verdict = target.stream.ReceiveRTX(now, p)
	} else {
		format := g.formats[p.PayloadType&0x7f]
		if format.Kind == codec.Unknown || format.Kind.Repairs() {
			g.peer.media.counts.unknown.Add(1)
			return
		}
		g.ensureStream(in, format)
		p.Kind = format.Kind
		verdict = target.stream.Receive(now, p)
		if p.Kind.Audio() && verdict == uplink.Accepted {
			in.delay.Note(now, p.Timestamp, soundOf(p))
		}
	}
	g.handOn(target, p, verdict)
}

// handOn gives what a stream has taken in to its track.
func (g *ingress) handOn(target *inbound, p *packet.Packet, verdict uplink.Verdict) {
	if verdict != uplink.Accepted {
		g.peer.media.counts.notAccepted.Add(1)
		usedUp := verdict == uplink.Padding || verdict == uplink.Malformed
		if !usedUp || p.Extended == 0 {
			return
		}
		// Padding uses up a sequence number: whoever renumbers must know.
		p.Payload = nil
	}
	t := target.section.track
	if t == nil {
		return // sent before it was published
	}
	layer := target.layer(t)
	if layer < 0 {
		return // a layer that was not announced
	}
	p.Layer = uint8(layer)
	if t.kind.Load() != uint32(p.Kind) {
		t.kind.Store(uint32(p.Kind))
	}
	if !t.Video && len(p.Payload) > 0 {
		t.level.add(p)
	}
	t.fanOut(p)
}

// ensureStream makes the uplink of a stream. The codec may change within it;
// with another clock rate it is another stream.
func (g *ingress) ensureStream(in *inbound, format profile.Format) {
	old, kind := in.kind, format.Kind
	in.kind = kind
	if in.stream != nil {
		if old.ClockRate() == kind.ClockRate() {
			return
		}
		in.stream.Close()
	}
	in.stream = uplink.New(uplink.Config{SSRC: in.ssrc, Kind: kind, NACK: kind.Video() || format.NACK})
	in.stream.SetRTT(g.rtt)
	// Browsers heed transport-wide feedback only if it names a stream of theirs.
	g.recorder.SetMedia(in.ssrc)
	g.connectTrack(in)
}

// connectTrack tells the section's track of a stream.
func (g *ingress) connectTrack(in *inbound) {
	t := in.section.track
	if t == nil || in.repair || in.stream == nil {
		return
	}
	if layer := in.layer(t); layer >= 0 {
		t.layers[layer] = in.stream
	}
}

// layer is the stream's place among the layers of t, -1 when it is none.
func (in *inbound) layer(t *Track) int {
	if len(t.RIDs) == 0 || in.rid == "" {
		return 0
	}
	if i := slices.Index(t.RIDs, in.rid); i < maxLayers {
		return i
	}
	return -1
}

// schedule makes sure that the worker looks at the ingress in time.
func (g *ingress) schedule(now time.Time) {
	next := g.next(now)
	if !g.nextTick.IsZero() && !next.Before(g.nextTick) {
		return
	}
	g.nextTick = next
	e := g.peer.egress
	g.peer.worker.post(func(time.Time) {
		if !e.closed && (e.ingressAt.IsZero() || next.Before(e.ingressAt)) {
			e.ingressAt = next
			e.peer.worker.mark(e)
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
	consider(g.limitAt)
	consider(g.measureAt)
	consider(g.recorder.Next())
	consider(g.ordersDue())
	for _, in := range g.list {
		if in.stream != nil {
			consider(in.stream.Next())
		}
	}
	return next
}

// publish starts a track on a section. The section's streams may be there already.
func (g *ingress) publish(t *Track, mid string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.section(mid)
	if s == nil || g.closed || s.video != t.Video || s.track != nil {
		return false
	}
	if len(t.RIDs) == 0 && len(s.rids) > 0 {
		t.RIDs = smallestFirst(s.rids)
	}
	s.track = t
	t.newOrders(time.Now())
	for _, in := range g.list {
		if in.section == s {
			g.connectTrack(in)
		}
	}
	return true
}

// unpublish ends the track of a section.
func (g *ingress) unpublish(t *Track) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sections {
		if s.track == t {
			s.track = nil
		}
	}
	t.layers = [maxLayers]*uplink.Stream{}
}

func (g *ingress) section(mid string) *section {
	for _, s := range g.sections {
		if s.mid == mid {
			return s
		}
	}
	return nil
}

// smallestFirst orders rids from small to large: by the names that browsers'
// users give them (q, h, f), else as offered.
func smallestFirst(rids []string) []string {
	const usual = "qlmhf"
	ordered := slices.Clone(rids)
	for _, r := range ordered {
		if len(r) != 1 || !slices.Contains([]byte(usual), r[0]) {
			return ordered
		}
	}
	slices.SortStableFunc(ordered, func(a, b string) int {
		return slices.Index([]byte(usual), a[0]) - slices.Index([]byte(usual), b[0])
	})
	return ordered
}

// close gives back every buffer.
func (g *ingress) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, in := range g.list {
		if in.stream != nil {
			in.stream.Close()
		}
	}
	clear(g.inbounds)
	g.list = nil
	for _, s := range g.sections {
		s.track = nil
	}
}

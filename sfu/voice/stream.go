package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// maxPending bounds the packets of one window: 120 ms of 5 ms each.
	maxPending = 24
	// maxMerged bounds the payload of a window in bytes; with one copy of it in
	// the next packet that is within what every path carries whole.
	maxMerged = 600
	// maxPayload bounds a payload with its copies.
	maxPayload = 1150
	// latest is how late a packet can come, in units of the RTP clock: a second.
	latest = 48000
	// maxOutputs is more than one Push or Tick can cause.
	maxOutputs = 2*maxPending + 2*red.MaxRedundant + 8
)

// Output is one packet of the source to be numbered. Whoever takes it owns a
// reference to Packet.
type Output struct {
	// Packet has the source's SSRC, and Extended, Timestamp, Marker and Arrival
	// of the first packet in it. Its kind is codec.Opus or codec.RED.
	Packet *packet.Packet
	// Skip says that Packet does not go out: it is within another, or silence.
	// Its number is used up.
	Skip bool
}

// Workshop is what is needed to make a packet, and only then: the slots of a
// subscriber share one.
type Workshop struct {
	merger  opuspkt.Merger
	scratch [packet.MaxSize]byte
	frames  []red.Frame
}

// Stream is one audio slot. It belongs to one goroutine.
type Stream struct {
	mode Mode
	// opus is the payload type that redundant blocks are written with.
	opus uint8
	// quiet says that silence is not to be sent.
	quiet bool

	ssrc    uint32 // of the source, 0 before the first packet
	pending [maxPending]*packet.Packet
	count   int
	bytes   int
	closeAt time.Time // when the window is closed, complete or not; zero: empty

	flushed   bool
	flushedTo uint32 // timestamp up to which sound has left

	window  *red.Window // of what has arrived; made by the first RED packet
	recent  [MaxRedundancy]sent
	silence silence

	outputs [maxOutputs]Output
	head    int
	tail    int

	meter Meter
	stats Stats
}

// sent is a payload that has left, for copies of it.
type sent struct {
	packet    *packet.Packet // holds the payload; nil: none
	payload   []byte
	timestamp uint32
}

// Stats counts what became of a source's sound.
type Stats struct {
	Merged    uint64 // packets that hold several
	Copies    uint64 // redundant blocks written
	Recovered uint64 // packets recovered from redundancy that came in
	Silent    uint64 // packets of silence that were not sent
}

// Meter is what the source's sound weighs; Take it now and then.
func (s *Stream) Meter() *Meter { return &s.meter }

// Stats are totals since the beginning.
func (s *Stream) Stats() Stats { return s.stats }

// SetMode changes the mode from the next packet on.
func (s *Stream) SetMode(m Mode) {
	m.Redundancy = min(max(m.Redundancy, 0), MaxRedundancy)
	m.Packet = min(max(m.Packet, 0), opuspkt.MaxDuration)
	s.mode = m
}

// Mode is the mode in force.
func (s *Stream) Mode() Mode { return s.mode }

// SetQuiet says whether silence is left out, but for the packet that ends a
// spurt.
func (s *Stream) SetQuiet(quiet bool) { s.quiet = quiet }

// SetPayloadType says which payload type Opus has for the subscriber.
func (s *Stream) SetPayloadType(opus uint8) { s.opus = opus }

// Next is when Tick has something to do; zero means not before another packet.
func (s *Stream) Next() time.Time { return s.closeAt }

// Push takes one packet of the source in order of arrival; the caller keeps its
// reference. What is to be sent answers Pop, which must be asked until it has
// no more.
func (s *Stream) Push(now time.Time, w *Workshop, p *packet.Packet) {
	if p.SSRC != s.ssrc {
		s.restart(w)
		s.ssrc = p.SSRC
	}
	switch {
	case len(p.Payload) == 0: // Chromium sends padding on these payload types
		s.flush(w) // numbers leave in order
		s.skip(p.Retain())
	case p.Kind == codec.RED:
		s.unpack(now, w, p)
	case s.window != nil && !s.window.Fresh(p.Timestamp, p.Payload):
		s.flush(w)
		s.skip(p.Retain()) // a copy of it was here before
	default:
		s.take(now, w, p.Retain())
	}
}

// unpack takes a RED packet apart: first what it recovers, then its primary,
// each as a packet of its own.
func (s *Stream) unpack(now time.Time, w *Workshop, p *packet.Packet) {
	if s.window == nil {
		s.window = &red.Window{}
		for i := range s.count { // so that copies of these are not new
			s.window.Fresh(s.pending[i].Timestamp, s.pending[i].Payload)
		}
	}
	frames, err := s.window.Recover(w.frames[:0], p.Timestamp, p.Payload)
	w.frames = frames
	primary := false
	for i := range frames {
		f := &frames[i]
		if !f.Redundant {
			primary = true
		}
		q := p.Another()
		q.Arrival, q.SSRC, q.Timestamp, q.Kind, q.Info = p.Arrival, p.SSRC, f.Timestamp, codec.Opus, p.Info
		q.Payload = q.Buffer()[:copy(q.Buffer(), f.Data)]
		q.Extended, q.Sequence, q.Recovered = p.Extended, p.Sequence, p.Recovered
		if f.Redundant {
			// The n-th block from the end is what the n-th packet before held.
			back := s.back(w, i)
			q.Extended, q.Sequence = q.Extended-int64(back), q.Sequence-uint16(back)
			q.Recovered = true
			s.stats.Recovered++
		} else {
			q.Marker = p.Marker
			q.AudioLevel, q.HasAudioLevel, q.VoiceActive = p.AudioLevel, p.HasAudioLevel, p.VoiceActive
		}
		s.take(now, w, q)
	}
	if err != nil || !primary {
		s.flush(w)
		s.skip(p.Retain())
	}
}

// back is how many packets before the one that brought them the frame at i was
// sent first, were each of them one packet.
func (s *Stream) back(w *Workshop, i int) int {
	back := 0
	for _, f := range w.frames[i:] {
		if f.Redundant {
			back++
		}
	}
	return back
}

// take takes one Opus packet and the caller's reference to it.
func (s *Stream) take(now time.Time, w *Workshop, p *packet.Packet) {
	if s.silence.skips(p, s.quiet) {
		s.stats.Silent++
		s.skip(p)
		return
	}
	length := lengthOf(p.Payload)
	if length > 0 && !silent(p) {
		s.meter.add(p.Payload, length)
	}
	ends := s.silence.ends(p) // nothing follows that would fill the window
	behind := int32(s.flushedTo - p.Timestamp)
	if s.flushed && behind > latest {
		s.flush(w)
		s.flushed = false // the source's clock began anew
	}
	late := s.flushed && behind > 0
	if late || length == 0 {
		// It belongs before what has left already, or is no Opus that we know.
		s.send(w, p, nil, false)
		return
	}
	if s.count > 0 && !s.joins(p, length) {
		s.flush(w)
	}
	if s.count == 0 && (s.mode.Packet <= length || ends) {
		s.insert(p)
		s.flush(w)
		return
	}
	if s.count == 0 {
		s.closeAt = now.Add(s.mode.Packet)
	}
	s.insert(p)
	if ends || s.span() >= s.mode.Packet || s.count == maxPending {
		s.flush(w)
	}
}

// joins says whether a packet belongs into the window that is open.
func (s *Stream) joins(p *packet.Packet, length time.Duration) bool {
	first := s.pending[0]
	ahead := int32(p.Timestamp - first.Timestamp)
	switch {
	case !opuspkt.Mergeable(opuspkt.TOC(p.Payload[0]), opuspkt.TOC(first.Payload[0])):
		return false
	case s.bytes+len(p.Payload) > maxMerged:
		return false
	case ahead < 0:
		return true // late, but what comes after it has not left
	}
	return ahead+int32(opuspkt.Samples(length)) <= int32(opuspkt.Samples(s.mode.Packet))
}

// insert puts a packet in its place by timestamp.
func (s *Stream) insert(p *packet.Packet) {
	at := s.count
	for at > 0 && int32(p.Timestamp-s.pending[at-1].Timestamp) < 0 {
		s.pending[at] = s.pending[at-1]
		at--
	}
	s.pending[at] = p
	s.count++
	s.bytes += len(p.Payload)
}

// span is how long the window lasts, with gaps.
func (s *Stream) span() time.Duration {
	first, last := s.pending[0], s.pending[s.count-1]
	ticks := last.Timestamp - first.Timestamp + opuspkt.Samples(lengthOf(last.Payload))
	return time.Duration(ticks) * time.Millisecond / 48
}

// Tick closes the window when its time has come.
func (s *Stream) Tick(now time.Time, w *Workshop) {
	if !s.closeAt.IsZero() && !s.closeAt.After(now) {
		s.flush(w)
	}
}

// Flush closes the window at once: nothing more is known to come.
func (s *Stream) Flush(w *Workshop) { s.flush(w) }

// restart begins with another stream of the source.
func (s *Stream) restart(w *Workshop) {
	s.flush(w)
	s.forget()
	s.window, s.silence, s.flushed = nil, silence{}, false
}

// Reset lets go of everything, for another source. Mode and totals stay.
func (s *Stream) Reset() {
	for i := range s.count {
		s.pending[i].Release()
		s.pending[i] = nil
	}
	s.count, s.bytes, s.closeAt = 0, 0, time.Time{}
	for out, ok := s.Pop(); ok; out, ok = s.Pop() {
		out.Packet.Release()
	}
	s.forget()
	s.ssrc, s.window, s.silence, s.flushed = 0, nil, silence{}, false
}

// forget lets go of what copies would be made of.
func (s *Stream) forget() {
	for i := range s.recent {
		if s.recent[i].packet != nil {
			s.recent[i].packet.Release()
		}
		s.recent[i] = sent{}
	}
}

// Pop answers the next packet to number; false when there is none.
func (s *Stream) Pop() (Output, bool) {
	if s.head == s.tail {
		s.head, s.tail = 0, 0
		return Output{}, false
	}
	out := s.outputs[s.head]
	s.outputs[s.head] = Output{}
	s.head++
	return out, true
}

// skip hands on a packet whose number is used up, with its reference.
func (s *Stream) skip(p *packet.Packet) { s.output(Output{p, true}) }

func (s *Stream) output(out Output) {
	if s.tail == len(s.outputs) { // cannot be: see maxOutputs
		out.Packet.Release()
		return
	}
	s.outputs[s.tail] = out
	s.tail++
}

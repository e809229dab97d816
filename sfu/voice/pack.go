package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// flush closes the window: every run of frames that follow each other becomes
// one packet.
func (s *Stream) flush(w *Workshop) {
	for from := 0; from < s.count; {
		to := from + 1
		for to < s.count && follows(s.pending[to-1], s.pending[to]) {
			to++
		}
		s.run(w, s.pending[from:to])
		from = to
	}
	clear(s.pending[:s.count])
	s.count, s.bytes, s.closeAt = 0, 0, time.Time{}
}

// follows says whether b begins where a ends.
func follows(a, b *packet.Packet) bool {
	return b.Timestamp-a.Timestamp == opuspkt.Samples(lengthOf(a.Payload))
}

// run sends packets that follow each other as one, or as few as there must be,
// and takes their references.
func (s *Stream) run(w *Workshop, packets []*packet.Packet) {
	for len(packets) > 0 {
		n := 1
		if len(packets) > 1 {
			w.merger.Reset()
			n = 0
			for n < len(packets) && w.merger.Add(packets[n].Payload) == nil {
				n++
			}
			n = max(n, 1) // what cannot be merged goes as it is
		}
		var merged []byte
		if n > 1 {
			merged = w.merger.Append(w.scratch[:0])
			s.stats.Merged++
		}
		last := packets[n-1]
		if end := last.Timestamp + opuspkt.Samples(lengthOf(last.Payload)); !s.flushed || int32(end-s.flushedTo) > 0 {
			s.flushed, s.flushedTo = true, end
		}
		s.send(w, packets[0], merged, true)
		for _, p := range packets[1:n] {
			s.skip(p)
		}
		packets = packets[n:]
	}
}

// send hands on p, whose reference it takes, with merged in place of its own
// payload unless that is nil, and with the copies that the mode asks for. What is
// newest is remembered for copies of it.
func (s *Stream) send(w *Workshop, p *packet.Packet, merged []byte, newest bool) {
	payload := p.Payload
	if merged != nil {
		payload = merged
	}
	var copies [MaxRedundancy]red.Block
	n := 0
	if newest {
		n = s.copies(&copies, p.Timestamp, len(payload))
	}
	out := p
	if merged != nil || n > 0 {
		out = p.Another()
		out.Arrival, out.Extended, out.SSRC, out.Timestamp = p.Arrival, p.Extended, p.SSRC, p.Timestamp
		out.Sequence, out.Marker, out.Info, out.Kind, out.Recovered = p.Sequence, p.Marker, p.Info, codec.Opus, p.Recovered
		out.AudioLevel, out.HasAudioLevel, out.VoiceActive = p.AudioLevel, p.HasAudioLevel, p.VoiceActive
		if n > 0 {
			out.Kind = codec.RED
			out.Payload = red.Append(out.Buffer()[:0], s.opus, payload, copies[:n]...)
			s.stats.Copies += uint64(n)
		} else {
			out.Payload = append(out.Buffer()[:0], payload...)
		}
		payload = out.Payload[len(out.Payload)-len(payload):]
	}
	switch {
	case s.mode.Redundancy == 0:
		s.forget()
	case newest:
		s.remember(out, payload)
	}
	if out != p {
		p.Release()
	}
	s.output(Output{Packet: out})
}

// copies fills in what is repeated in a packet of the given time and size,
// oldest first, and answers how many blocks that are.
func (s *Stream) copies(blocks *[MaxRedundancy]red.Block, timestamp uint32, size int) (n int) {
	total := size
	for i := s.mode.Redundancy - 1; i >= 0; i-- {
		r := &s.recent[i]
		if r.packet == nil {
			continue
		}
		offset, ok := red.Since(r.timestamp, timestamp)
		b := red.Block{PayloadType: s.opus, Offset: offset, Data: r.payload}
		if !ok || !b.Fits() || total+redBlock+len(r.payload) > maxPayload {
			continue
		}
		total += redBlock + len(r.payload)
		blocks[n] = b
		n++
	}
	return n
}

// remember keeps a payload for copies of it: recent[0] is the newest.
func (s *Stream) remember(p *packet.Packet, payload []byte) {
	oldest := &s.recent[len(s.recent)-1]
	if oldest.packet != nil {
		oldest.packet.Release()
	}
	copy(s.recent[1:], s.recent[:])
	s.recent[0] = sent{p.Retain(), payload, p.Timestamp}
}

package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// fresh is how old the newest packet that is held may be when the path opens: who has
// fallen silent since is not heard of late.
const fresh = 40 * time.Millisecond

// Hold takes one packet of the source while the subscriber's path is not open yet, and
// keeps the newest of them: as many as one packet of the mode holds. Begin sends them,
// so that the first packet does not wait for its time to fill it, and is no older
// than any later one. The caller keeps its reference.
func (s *Stream) Hold(p *packet.Packet) {
	length := time.Duration(0)
	if p.Kind == codec.Opus {
		length = lengthOf(p.Payload)
	}
	follows := s.count > 0 && p.SSRC == s.ssrc && p.Timestamp == s.end() &&
		length > 0 && opuspkt.Mergeable(opuspkt.TOC(p.Payload[0]), opuspkt.TOC(s.pending[0].Payload[0])) && s.bytes+len(p.Payload) <= maxMerged
	if !follows {
		s.letGo(s.count)
	}
	if s.ssrc = p.SSRC; length == 0 || silent(p) {
		return
	}
	if s.count == maxPending {
		s.letGo(1)
	}
	s.insert(p.Retain())
	for s.count > 1 && s.span() > s.mode.Packet {
		s.letGo(1)
	}
}

// Begin sends what is held: the path is open. It answers whether more is soon to come,
// where what is held is too old but its speaker has not fallen silent.
func (s *Stream) Begin(now time.Time, w *Workshop) (soon bool) {
	if s.count > 0 {
		age := now.Sub(s.pending[s.count-1].Arrival)
		if soon = age > fresh && age <= opuspkt.MaxDuration; age > fresh {
			s.letGo(s.count)
		}
	}
	s.flush(w)
	return soon
}

// end is the timestamp that follows the window.
func (s *Stream) end() uint32 {
	last := s.pending[s.count-1]
	return last.Timestamp + opuspkt.Samples(lengthOf(last.Payload))
}

// letGo forgets the oldest n packets of the window, whose numbers are not used.
func (s *Stream) letGo(n int) {
	for i := range n {
		s.bytes -= len(s.pending[i].Payload)
		s.pending[i].Release()
	}
	copy(s.pending[:], s.pending[n:s.count])
	clear(s.pending[s.count-n : s.count])
	s.count -= n
}

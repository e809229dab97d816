package feedback

const (
	// leastSent and mostSent bound how many packets of a stream are remembered.
	leastSent = 128
	mostSent  = 8192
	// mostSentStreams is how many streams a sender may have.
	mostSentStreams = 64
)

// Sent remembers which packet of a path each packet of a stream was, for
// reports that name streams and their own numbers (RFC 8888). It allocates when
// a stream is new, or needs a longer memory. It belongs to one goroutine.
type Sent struct {
	streams []sentStream
	newest  int64 // of the path
}

type sentStream struct {
	ssrc uint32
	ring []sentPacket // by RTP sequence number; a power of two
}

// sentPacket is one packet; path is its number on the path from 1, 0 = none. A
// packet that was sent again under its own number cannot be told from itself, so
// that nothing is learnt of it (Karn's rule).
type sentPacket struct {
	path     int64
	sequence uint16
	again    bool
}

// Note remembers a packet: its stream, its RTP sequence number, and its number
// on the path from 0.
func (s *Sent) Note(ssrc uint32, sequence uint16, path int64) {
	s.newest = path + 1
	st := s.find(ssrc)
	if st == nil {
		if len(s.streams) == mostSentStreams {
			return
		}
		s.streams = append(s.streams, sentStream{ssrc: ssrc, ring: make([]sentPacket, leastSent)})
		st = &s.streams[len(s.streams)-1]
	}
	p := st.at(sequence)
	for p.path > max(0, s.newest-Window) && len(st.ring) < mostSent && p.sequence != sequence {
		st.grow() // it may be reported yet
		p = st.at(sequence)
	}
	again := p.path > max(0, s.newest-Window) && p.sequence == sequence
	*p = sentPacket{path: path + 1, sequence: sequence, again: again}
}

// Path answers the number on the path of a packet; false when it is not known.
func (s *Sent) Path(ssrc uint32, sequence uint16) (int64, bool) {
	st := s.find(ssrc)
	if st == nil {
		return 0, false
	}
	p := st.at(sequence)
	if p.path == 0 || p.again || p.sequence != sequence || p.path <= s.newest-Window {
		return 0, false
	}
	return p.path - 1, true
}

// Repeat notes that a packet goes again under its own number, and answers as Path
// did until now: nothing is learnt of it any more.
func (s *Sent) Repeat(ssrc uint32, sequence uint16) (int64, bool) {
	path, known := s.Path(ssrc, sequence)
	if known {
		s.find(ssrc).at(sequence).again = true
	}
	return path, known
}

func (s *Sent) find(ssrc uint32) *sentStream {
	for i := range s.streams {
		if s.streams[i].ssrc == ssrc {
			return &s.streams[i]
		}
	}
	return nil
}

func (s *sentStream) at(sequence uint16) *sentPacket {
	return &s.ring[int(sequence)&(len(s.ring)-1)]
}

func (s *sentStream) grow() {
	old := s.ring
	s.ring = make([]sentPacket, 2*len(old))
	for _, p := range old {
		if p.path != 0 {
			*s.at(p.sequence) = p
		}
	}
}

package opuspkt

import (
	"errors"
	"time"
)

// Why a packet does not go into a merged one. None of them is a fault of the
// packet: it begins the next one, or goes as it is.
var (
	// ErrDifferent: the TOC bytes differ in more than the number of frames.
	ErrDifferent = errors.New("opuspkt: other configuration")
	// ErrFull: more than MaxFrames or MaxDuration together.
	ErrFull = errors.New("opuspkt: too much for one packet")
	// ErrOpaque: the padding holds something that cannot be moved.
	ErrOpaque = errors.New("opuspkt: padding not understood")
)

// Merger collects the frames of consecutive packets for one packet. It refers
// to the payloads added, which must not change before Reset. The zero value is
// empty and ready. A Merger holds about 3 kB: keep it.
//
// The caller takes care that no packet is missing between those that it adds,
// and gives the merged packet the RTP timestamp of the first one.
type Merger struct {
	toc     TOC
	count   int
	sources int
	frames  [MaxFrames][]byte
	source  [MaxFrames]source // paddings with extensions, by place
}

// Reset empties the merger.
func (m *Merger) Reset() { m.count, m.sources = 0, 0 }

// Count is the number of frames collected.
func (m *Merger) Count() int { return m.count }

// Duration is how long the frames collected sound.
func (m *Merger) Duration() time.Duration {
	return time.Duration(m.count) * m.toc.FrameDuration()
}

// Add takes all frames of a payload, or none and an error: ErrDifferent,
// ErrFull, ErrOpaque, or one of Parse. Into an empty merger goes any packet that
// Parse accepts and whose padding is understood.
func (m *Merger) Add(payload []byte) error {
	p, err := Parse(payload)
	if err != nil {
		return err
	}
	return m.AddFrames(&p, 0, p.count)
}

// AddFrames takes the frames from and up to (not including) to of a packet, 0 <=
// from < to <= p.Count. Errors are those of Add.
func (m *Merger) AddFrames(p *Packet, from, to int) error {
	if from < 0 || from >= to || to > p.count {
		panic("opuspkt: no such frames")
	}
	more := to - from
	switch {
	case m.count > 0 && !Mergeable(m.toc, p.TOC):
		return ErrDifferent
	case m.count+more > MaxFrames || time.Duration(m.count+more)*p.TOC.FrameDuration() > MaxDuration:
		return ErrFull
	case !carry(p.padding):
		return ErrOpaque
	}
	if m.count == 0 {
		m.toc = p.TOC &^ 3
	}
	if len(p.padding) > 0 {
		// Not more sources than frames: each brings one at least.
		m.source[m.sources] = source{p.padding, from, to, m.count}
		m.sources++
	}
	for i := from; i < to; i++ {
		m.frames[m.count] = p.Frame(i)
		m.count++
	}
	return nil
}

// Append appends the merged packet to dst, in the shortest form there is; it
// appends nothing if the merger is empty. Room for the payloads and 6 bytes more
// for each frame is always enough.
func (m *Merger) Append(dst []byte) []byte {
	if m.count == 0 {
		return dst
	}
	equal := true
	for _, frame := range m.frames[1:m.count] {
		equal = equal && len(frame) == len(m.frames[0])
	}
	padding := m.extensions(&writer{dry: true}).size
	switch {
	case padding > 0 || m.count > 2:
		dst = m.head(dst, equal, padding)
	case m.count == 1:
		dst = append(dst, byte(m.toc))
	case equal:
		dst = append(dst, byte(m.toc)|1)
	default:
		dst = appendSize(append(dst, byte(m.toc)|2), len(m.frames[0]))
	}
	for _, frame := range m.frames[:m.count] {
		dst = append(dst, frame...)
	}
	if padding > 0 {
		dst = m.extensions(&writer{out: dst}).out
	}
	return dst
}

// head appends all that stands before the frames of a code 3 packet.
func (m *Merger) head(dst []byte, equal bool, padding int) []byte {
	count := byte(m.count)
	if !equal {
		count |= 0x80
	}
	if padding > 0 {
		count |= 0x40
	}
	dst = append(dst, byte(m.toc)|3, count)
	if padding > 0 {
		for ; padding >= 255; padding -= 254 {
			dst = append(dst, 255)
		}
		dst = append(dst, byte(padding))
	}
	if !equal {
		for _, frame := range m.frames[:m.count-1] {
			dst = appendSize(dst, len(frame))
		}
	}
	return dst
}

func (m *Merger) extensions(w *writer) *writer {
	for _, s := range m.source[:m.sources] {
		w.add(s)
	}
	return w
}

// appendSize appends the size of a frame (RFC 6716 §3.2.1).
func appendSize(dst []byte, size int) []byte {
	if size < 252 {
		return append(dst, byte(size))
	}
	first := 252 + size&3
	return append(dst, byte(first), byte((size-first)>>2))
}

// Merge appends to dst one packet with the frames of all payloads in order.
// Errors are those of Merger.Add; dst then comes back as it was.
func Merge(dst []byte, payloads ...[]byte) ([]byte, error) {
	var m Merger
	for _, payload := range payloads {
		if err := m.Add(payload); err != nil {
			return dst, err
		}
	}
	return m.Append(dst), nil
}

// Append appends to dst a packet with the frames from and up to (not including)
// to of p: frame by frame it splits a packet. The error is ErrOpaque.
func (p *Packet) Append(dst []byte, from, to int) ([]byte, error) {
	var m Merger
	if err := m.AddFrames(p, from, to); err != nil {
		return dst, err
	}
	return m.Append(dst), nil
}

package feedback

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Build appends one RTCP packet that reports what arrived since the last, and
// answers whether more is waiting (call again then; that is rare). Nothing is
// appended when nothing arrived. It does not ask whether a report is due.
func (r *Recorder) Build(now time.Time, dst []byte) (_ []byte, more bool) {
	if !r.pending() {
		return dst, false
	}
	now = r.clock(now)
	begin := len(dst)
	if r.path.pending {
		dst = r.appendTWCC(dst)
	} else {
		dst = r.appendCCFB(now, dst)
	}
	r.budget.spend(units.Size(len(dst)-begin)+r.cfg.Overhead, r.urgent || now.Sub(r.last) < r.cfg.MaxInterval)
	r.trend.reported()
	r.urgent = false
	r.tell(now)
	return dst, r.pending()
}

// appendTWCC writes a transport-wide congestion control report.
func (r *Recorder) appendTWCC(dst []byte) []byte {
	path := &r.path
	from, end := path.from, path.highest+1
	start := from
	for *path.at(start) == 0 {
		start++ // ends at highest, which did arrive
	}
	reference := path.at(start).ticks() / ticksPerReference

	// Symbols of as many packets as fit; at least 7 symbols go into a chunk.
	at := reference * ticksPerReference
	n, deltas := 0, 0
	for s := from; s < end; s++ {
		symbol, size, t := byte(symbolMissing), 0, path.at(s).ticks()
		if t != 0 {
			d := t - at
			switch {
			case d >= 0 && d <= math.MaxUint8:
				symbol, size = symbolSmall, 1
			case d >= math.MinInt16 && d <= math.MaxInt16:
				symbol, size = symbolLarge, 2
			default:
				size = -1
			}
		}
		if size < 0 || headerSize+2*(n/7+1)+deltas+size+3 > r.cfg.MaxSize {
			break
		}
		if t != 0 {
			at = t
		}
		r.scratch[n] = symbol
		n++
		deltas += size
	}

	begin := len(dst)
	dst = r.appendHeader(dst, uint16(from), n, reference)
	dst = appendChunks(dst, r.scratch[:n])
	dst = r.appendDeltas(dst, from, n, reference*ticksPerReference)
	dst = finish(dst, begin)

	r.count++
	path.reported(from + int64(n))
	return dst
}

func (r *Recorder) appendHeader(dst []byte, base uint16, n int, reference int64) []byte {
	dst = append(dst, 2<<6|formatTWCC, typeRTPFB, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.cfg.SenderSSRC)
	dst = binary.BigEndian.AppendUint32(dst, r.cfg.MediaSSRC)
	dst = binary.BigEndian.AppendUint16(dst, base)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	return binary.BigEndian.AppendUint32(dst, uint32(reference)<<8|uint32(r.count))
}

// appendChunks writes symbols: a run where it is at least as short as a
// vector, else one bit a symbol where no delta is large, else two.
func appendChunks(dst []byte, symbols []byte) []byte {
	for len(symbols) > 0 {
		run := 1
		for run < len(symbols) && run < maxRun && symbols[run] == symbols[0] {
			run++
		}
		n := min(14, len(symbols))
		for i := range n {
			if symbols[i] == symbolLarge {
				n = min(7, len(symbols))
				break
			}
		}
		var c uint16
		switch {
		case run >= n:
			n = run
			c = uint16(symbols[0])<<13 | uint16(run)
		case n > 7 || n == len(symbols) && !hasLarge(symbols):
			c = 0x8000
			for i := range n {
				c |= uint16(symbols[i]) << (13 - i)
			}
		default:
			c = 0xc000
			for i := range n {
				c |= uint16(symbols[i]) << (12 - 2*i)
			}
		}
		dst = binary.BigEndian.AppendUint16(dst, c)
		symbols = symbols[n:]
	}
	return dst
}

func hasLarge(symbols []byte) bool {
	for _, s := range symbols {
		if s == symbolLarge {
			return true
		}
	}
	return false
}

func (r *Recorder) appendDeltas(dst []byte, from int64, n int, at int64) []byte {
	for i := range n {
		t := r.path.at(from + int64(i)).ticks()
		switch r.scratch[i] {
		case symbolSmall:
			dst = append(dst, byte(t-at))
			at = t
		case symbolLarge:
			dst = binary.BigEndian.AppendUint16(dst, uint16(int16(t-at)))
			at = t
		}
	}
	return dst
}

// finish pads the packet to 32 bits (RFC 3550 §6.4.1: the last byte counts the
// padding) and writes its length.
func finish(dst []byte, begin int) []byte {
	if pad := -(len(dst) - begin) & 3; pad > 0 {
		for range pad - 1 {
			dst = append(dst, 0)
		}
		dst = append(dst, byte(pad))
		dst[begin] |= 1 << 5
	}
	binary.BigEndian.PutUint16(dst[begin+2:], uint16((len(dst)-begin)/4-1))
	return dst
}

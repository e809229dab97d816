package feedback

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
)

// Errors of Decode. The packet is to be ignored; nothing was changed.
var (
	ErrNotTWCC   = errors.New("feedback: not a transport-wide congestion control report")
	ErrTruncated = errors.New("feedback: report is shorter than it says")
)

// Window is how far back from the newest sent packet reports are believed, in
// packets. What is older was given up long ago.
const Window = 8192

// referenceLimit is where unwrapped reference times start over: only a
// receiver that lies gets there (68 years of 64 ms).
const referenceLimit = 1 << 35

// Decoder reads the reports of one receiver. It belongs to one goroutine.
type Decoder struct {
	started   bool
	reference int64 // unwrapped, in 64 ms
	count     uint8
	missing   uint64
}

// Decode reads one RTCP packet and appends a report for each packet it speaks
// of, in order of sequence. highestSent is the newest unwrapped sequence
// number that was sent (-1: none): the 16 bits of the wire are unwrapped
// against it, and what was never sent, or is older than Window, is left out.
// So at most Window reports are appended whatever the packet claims.
func (d *Decoder) Decode(dst []bwe.PacketReport, packet []byte, highestSent int64) ([]bwe.PacketReport, error) {
	if !IsTWCC(packet) {
		return dst, ErrNotTWCC
	}
	size := 4 * (int(binary.BigEndian.Uint16(packet[2:])) + 1)
	if size < headerSize || size > len(packet) {
		return dst, ErrTruncated
	}
	packet = packet[:size]
	base := binary.BigEndian.Uint16(packet[12:])
	count := int(binary.BigEndian.Uint16(packet[14:]))
	chunks, deltas, err := split(packet[headerSize:], count)
	if err != nil {
		return dst, err
	}
	reference := d.unwrapReference(packet[16:19])
	d.noteCount(packet[19])

	// The unwrapped base lies in (highestSent-65536, highestSent].
	sequence := highestSent - int64(uint16(highestSent)-base)
	oldest := max(0, highestSent-Window+1)
	at := reference * ticksPerReference
	for len(chunks) > 0 && count > 0 && sequence <= highestSent {
		c := binary.BigEndian.Uint16(chunks)
		chunks = chunks[2:]
		n := min(symbols(c), count)
		count -= n
		for i := range n {
			s := symbol(c, i)
			switch s {
			case symbolSmall:
				at += int64(deltas[0])
				deltas = deltas[1:]
			case symbolLarge:
				at += int64(int16(binary.BigEndian.Uint16(deltas)))
				deltas = deltas[2:]
			}
			// Symbol 3 is reserved: it says nothing that could be used.
			if s <= symbolLarge && sequence >= oldest && sequence <= highestSent {
				r := bwe.PacketReport{Sequence: sequence}
				if s != symbolMissing {
					r.Received = true
					r.Arrival = time.Duration(at) * tick
				}
				dst = append(dst, r)
			}
			sequence++
		}
	}
	return dst, nil
}

// Missing counts the reports that never came, by the gaps in their count.
func (d *Decoder) Missing() uint64 { return d.missing }

// split finds where the chunks for count symbols end and checks that all the
// deltas they promise are there.
func split(body []byte, count int) (chunks, deltas []byte, err error) {
	end, need := 0, 0
	for left := count; left > 0; {
		if end+2 > len(body) {
			return nil, nil, ErrTruncated
		}
		c := binary.BigEndian.Uint16(body[end:])
		end += 2
		n := min(symbols(c), left)
		if n == 0 {
			return nil, nil, ErrTruncated // a run of nothing is not progress
		}
		left -= n
		if c&0x8000 == 0 {
			need += n * deltaSize(symbol(c, 0))
			continue
		}
		for i := range n {
			need += deltaSize(symbol(c, i))
		}
	}
	if end+need > len(body) {
		return nil, nil, ErrTruncated
	}
	return body[:end], body[end:], nil
}

// symbols is how many symbols a chunk holds.
func symbols(chunk uint16) int {
	switch {
	case chunk&0x8000 == 0:
		return int(chunk & maxRun)
	case chunk&0x4000 == 0:
		return 14
	}
	return 7
}

// symbol answers one of them.
func symbol(chunk uint16, i int) uint8 {
	switch {
	case chunk&0x8000 == 0:
		return uint8(chunk >> 13 & 3)
	case chunk&0x4000 == 0:
		return uint8(chunk >> (13 - i) & 1)
	}
	return uint8(chunk >> (12 - 2*i) & 3)
}

func deltaSize(symbol uint8) int {
	switch symbol {
	case symbolSmall:
		return 1
	case symbolLarge:
		return 2
	}
	return 0
}

// unwrapReference follows the 24-bit reference time, which wraps every 12
// days, against the last one.
func (d *Decoder) unwrapReference(b []byte) int64 {
	raw := int64(b[0])<<16 | int64(b[1])<<8 | int64(b[2])
	if !d.started {
		d.reference = raw
		return raw
	}
	diff := (raw - d.reference) & 0xffffff
	if diff >= 1<<23 {
		diff -= 1 << 24
	}
	d.reference += diff
	if d.reference > referenceLimit || d.reference < -referenceLimit {
		d.reference = raw
	}
	return d.reference
}

// noteCount counts reports that were lost on their way; one that comes late
// or twice is not a loss.
func (d *Decoder) noteCount(count uint8) {
	if d.started {
		if gap := count - d.count; gap > 0 && gap < 128 {
			d.missing += uint64(gap - 1)
		} else {
			return
		}
	}
	d.started, d.count = true, count
}

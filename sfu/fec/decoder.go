package fec

import (
	"encoding/binary"
	"math/bits"
)

const (
	// remembered is how many packets of the stream are kept: half a second of the
	// largest layer, of which a repair packet reaches over 48. A power of two.
	remembered = 128
	// waiting is how many repair packets may wait for the packets they need.
	waiting = 16
)

// Decoder has lost packets of one stream again. New makes one.
type Decoder struct {
	ssrc    uint32
	packets [remembered]kept
	repairs [waiting]pendingRepair
	next    int // place of the next repair packet
	newest  uint16
	begun   bool
	out     [1500]byte
}

// kept is one packet as it came, with the transport-wide number zero.
type kept struct {
	known    bool
	sequence uint16
	size     int
	bytes    [1500]byte
}

type pendingRepair struct {
	used bool
	size int
	repair
	bytes [1500]byte
}

// NewDecoder answers a decoder for the stream of an SSRC.
func NewDecoder(ssrc uint32) *Decoder { return &Decoder{ssrc: ssrc} }

// Add takes one packet of the stream, with its header. At from (0 for none),
// two bytes are the transport-wide sequence number.
func (d *Decoder) Add(b []byte, from int) {
	if len(b) < Fixed || len(b) > 1500 {
		return
	}
	sequence := binary.BigEndian.Uint16(b[2:])
	if !d.begun || int16(sequence-d.newest) > 0 {
		d.begun, d.newest = true, sequence
	}
	k := &d.packets[sequence%remembered]
	k.known, k.sequence, k.size = true, sequence, copy(k.bytes[:], b)
	if from >= Fixed && from+2 <= len(b) {
		k.bytes[from], k.bytes[from+1] = 0, 0
	}
}

// Protect takes the payload of a repair packet.
func (d *Decoder) Protect(payload []byte) {
	d.protect(payload, func(p *pendingRepair) bool { return p.parse(p.bytes[:p.size], d.ssrc) })
}

func (d *Decoder) protect(payload []byte, parse func(*pendingRepair) bool) {
	if len(payload) > len(d.repairs[0].bytes) {
		return
	}
	p := &d.repairs[d.next]
	p.size = copy(p.bytes[:], payload)
	if p.used = parse(p); p.used {
		d.next = (d.next + 1) % waiting
	}
}

// Recover answers one packet that was lost, whole with its header, and takes it
// for received; nil when none can be had. Call it after Add and Protect until
// it answers nil. The slice is valid until the next call.
func (d *Decoder) Recover() []byte {
	for i := range d.repairs {
		r := &d.repairs[i]
		if !r.used {
			continue
		}
		missing, count := d.lacks(&r.repair)
		switch {
		case count == 0:
			r.used = false
		case d.begun && int16(d.newest-r.base) > remembered-longULPMask:
			r.used = false // too old
		case count == 1:
			r.used = false
			if b := d.restore(&r.repair, missing); b != nil {
				d.Add(b, 0)
				return b
			}
		}
	}
	return nil
}

// lacks answers how many protected packets have not come, and the last of them.
func (d *Decoder) lacks(r *repair) (missing uint16, count int) {
	for mask := r.mask; mask != 0; mask &= mask - 1 {
		sequence := r.base + uint16(bits.TrailingZeros64(mask))
		if d.find(sequence) == nil {
			missing = sequence
			count++
		}
	}
	return missing, count
}

func (d *Decoder) find(sequence uint16) *kept {
	if k := &d.packets[sequence%remembered]; k.known && k.sequence == sequence {
		return k
	}
	return nil
}

// restore computes the one packet that is missing; nil when what comes out
// cannot be one.
func (d *Decoder) restore(r *repair, missing uint16) []byte {
	first, second, length, timestamp := r.first, r.second, r.length, r.timestamp
	body := d.out[Fixed:]
	clear(body)
	copy(body, r.body)
	for mask := r.mask; mask != 0; mask &= mask - 1 {
		k := d.find(r.base + uint16(bits.TrailingZeros64(mask)))
		if k == nil {
			continue
		}
		b := k.bytes[:k.size]
		first ^= b[0] & 0x3f
		second ^= b[1]
		length ^= uint16(len(b) - Fixed)
		timestamp ^= binary.BigEndian.Uint32(b[4:])
		xor(body, b[Fixed:])
	}
	if int(length) > len(r.body) {
		return nil
	}
	out := d.out[:Fixed+int(length)]
	out[0], out[1] = 0x80|first, second
	binary.BigEndian.PutUint16(out[2:], missing)
	binary.BigEndian.PutUint32(out[4:], timestamp)
	binary.BigEndian.PutUint32(out[8:], d.ssrc)
	return out
}

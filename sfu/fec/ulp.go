package fec

import "encoding/binary"

// The older form, ULPFEC (RFC 5109 §7.3 and §7.4, one level), travels in the
// protected stream itself, in RED (RFC 2198), with sequence numbers of it:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	|E|L|P|X|  CC   |M| PT recovery |            SN base            |
//	|                          TS recovery                          |
//	|        length recovery        |       Protection Length       |
//	|             mask              | mask cont. (if L, 32 bits)    |
//
// The same is protected as in FlexFEC: everything behind the first 12 bytes,
// as the packet is without RED around it.
const (
	shortULP     = 14
	longULP      = 18
	shortULPMask = 16
	longULPMask  = 48
)

// REDHeader is the length of RED's header in front of the only, and so last,
// block (RFC 2198 §3), in bytes: its payload type, below 128.
const REDHeader = 1

// AppendULP appends the payload of the repair packet for what was added, as
// ULPFEC without RED around it, and begins anew. Nothing added makes nothing.
func (e *Encoder) AppendULP(dst []byte) []byte {
	if e.count == 0 {
		return dst
	}
	header := [longULP]byte{0: e.first, 1: e.second}
	binary.BigEndian.PutUint16(header[2:], e.base)
	binary.BigEndian.PutUint32(header[4:], e.timestamp)
	binary.BigEndian.PutUint16(header[8:], e.length)
	binary.BigEndian.PutUint16(header[10:], uint16(e.size))
	size := shortULP
	if e.mask>>shortULPMask != 0 {
		size = longULP
		header[0] |= 0x40
	}
	for i := range longULPMask {
		header[shortULP-2+i/8] |= byte(e.mask>>i&1) << (7 - i%8)
	}
	dst = append(append(dst, header[:size]...), e.body[:e.size]...)
	e.Reset()
	return dst
}

// SizeULP is how many bytes AppendULP would append.
func (e *Encoder) SizeULP() int {
	switch {
	case e.count == 0:
		return 0
	case e.mask>>shortULPMask == 0:
		return shortULP + e.size
	}
	return longULP + e.size
}

// parseULP reads the payload of a repair packet, without RED around it; false
// when it is malformed.
func (r *repair) parseULP(b []byte) bool {
	if len(b) < shortULP || b[0]&0x80 != 0 { // E: an extension that there is not
		return false
	}
	*r = repair{
		first: b[0] & 0x3f, second: b[1], base: binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]), length: binary.BigEndian.Uint16(b[8:]),
	}
	header, masked := shortULP, shortULPMask
	if b[0]&0x40 != 0 {
		header, masked = longULP, longULPMask
	}
	if len(b) < header {
		return false
	}
	for i := range masked {
		r.mask |= uint64(b[shortULP-2+i/8]>>(7-i%8)&1) << i
	}
	r.body = b[header:]
	protected := int(binary.BigEndian.Uint16(b[10:])) // further levels, if any, are not read
	if protected > len(r.body) || protected > maxBody {
		return false
	}
	r.body = r.body[:protected]
	return r.mask != 0
}

// ProtectULP takes the payload of a repair packet of the older form, without
// RED around it.
func (d *Decoder) ProtectULP(payload []byte) {
	d.protect(payload, func(p *pendingRepair) bool { return p.parseULP(p.bytes[:p.size]) })
}

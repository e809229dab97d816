package svctest

// bits is written to, big-endian.
type bits struct {
	bytes []byte
	free  int // bits that are left in the last byte
}

func (b *bits) write(v, n int) {
	for n--; n >= 0; n-- {
		if b.free == 0 {
			b.bytes, b.free = append(b.bytes, 0), 8
		}
		b.free--
		b.bytes[len(b.bytes)-1] |= byte(v>>n&1) << b.free
	}
}

// Descriptor answers the dependency descriptor of one packet of the frame.
func (f *Frame) Descriptor(start, end bool) []byte {
	var b bits
	flag := func(v bool) {
		if v {
			b.write(1, 1)
			return
		}
		b.write(0, 1)
	}
	flag(start)
	flag(end)
	b.write(f.Spatial*f.mode.Temporals+f.Temporal, 6)
	b.write(int(f.Number), 16)
	structure := f.Key && start
	flag(structure)
	flag(f.active > 0 && start)
	b.write(0b111, 3) // everything is the frame's own
	if structure {
		f.mode.structure(&b)
	}
	targets := f.mode.Spatials * f.mode.Temporals
	if f.active > 0 && start {
		for t := targets - 1; t >= 0; t-- {
			flag(t/f.mode.Temporals < f.active)
		}
	}
	for t := range targets {
		b.write(f.indication(t/f.mode.Temporals, t%f.mode.Temporals), 2)
	}
	for _, r := range f.References {
		b.write(3, 2) // twelve bits
		b.write(int(f.Number-r.Number)-1, 12)
	}
	b.write(0, 2)
	for _, distance := range f.chains {
		b.write(min(distance, 255), 8)
	}
	return b.bytes
}

// indication is the decode target indication of the frame to a target (A.4).
func (f *Frame) indication(spatial, temporal int) int {
	switch {
	case f.Needed>>(3*spatial+temporal)&1 == 0:
		return 0 // not present
	case f.switches && (f.Key || f.Spatial == spatial || !f.mode.Key):
		return 2 // switch
	case f.Temporal == f.mode.Temporals-1 && f.Temporal > 0 && f.Spatial == spatial:
		return 1 // discardable
	}
	return 3 // required
}

// structure writes template_dependency_structure(): one template for each layer.
func (m Mode) structure(b *bits) {
	targets := m.Spatials * m.Temporals
	b.write(0, 6)
	b.write(targets-1, 5)
	for s := range m.Spatials {
		for t := range m.Temporals {
			switch {
			case t < m.Temporals-1:
				b.write(1, 2)
			case s < m.Spatials-1:
				b.write(2, 2)
			default:
				b.write(3, 2)
			}
		}
	}
	for s := range m.Spatials {
		for t := range m.Temporals {
			for target := range targets {
				if ts, tt := target/m.Temporals, target%m.Temporals; ts < s || tt < t || m.Key && ts > s {
					b.write(0, 2)
				} else {
					b.write(3, 2)
				}
			}
		}
	}
	for range targets {
		b.write(0, 1) // no references: each frame names its own
	}
	nonSymmetric(b, m.Spatials, targets+1)
	for target := range targets {
		nonSymmetric(b, target/m.Temporals, m.Spatials)
	}
	for range targets * m.Spatials {
		b.write(0, 4)
	}
	b.write(1, 1)
	for s := range m.Spatials {
		b.write(320<<s-1, 16)
		b.write(180<<s-1, 16)
	}
}

// nonSymmetric writes v, which is below n (AV1 bitstream specification §4.10.7).
func nonSymmetric(b *bits, v, n int) {
	width := 0
	for x := n; x > 0; x >>= 1 {
		width++
	}
	if short := 1<<width - n; v < short {
		b.write(v, width-1)
	} else {
		b.write(v+short, width)
	}
}

// VP9 answers the payload of one packet of the frame in flexible mode, with a
// body of some bytes.
func (f *Frame) VP9(start, end bool, body int) []byte {
	id := uint16(f.Picture) & 0x7fff
	head := byte(0x80 | 0x20 | 0x10)
	back := f.refers()
	if back > 0 {
		head |= 0x40
	}
	if start {
		head |= 0x08
	}
	if end {
		head |= 0x04
	}
	structure := f.Key && start
	if structure {
		head |= 0x02
	}
	if !f.upper {
		head |= 0x01
	}
	layer := byte(f.Temporal<<5 | f.Spatial<<1)
	if f.switches {
		layer |= 0x10
	}
	if f.dependent() {
		layer |= 0x01
	}
	b := []byte{head, 0x80 | byte(id>>8), byte(id), layer}
	if back > 0 {
		b = append(b, byte(back<<1))
	}
	if structure {
		b = append(b, byte(f.mode.Spatials-1)<<5|0x10)
		for s := range f.mode.Spatials {
			w, h := 320<<s, 180<<s
			b = append(b, byte(w>>8), byte(w), byte(h>>8), byte(h))
		}
	}
	return append(b, make([]byte, body)...)
}

package codec

// Placement is where a frame stands among the others of its stream, as its
// dependency descriptor tells ("RTP Payload Format For AV1" v1.0, Appendix A).
// The zero value is a frame of which that is not known.
type Placement struct {
	Structure *Structure // nil when nothing is known
	Number    uint16     // frame_number
	Active    uint32     // decode targets that are being sent: bit 0 is target 0

	references  uint8
	indications indications
	distances   [MaxReferences]uint16
	chains      [MaxTargets]uint8
}

// Known says whether the frame's place is known.
func (p *Placement) Known() bool { return p.Structure != nil }

// References are the distances back, in frame numbers, to the frames that this
// one needs.
func (p *Placement) References() []uint16 { return p.distances[:p.references] }

// Indication tells what the frame is to a decode target.
func (p *Placement) Indication(target int) Indication { return p.indications.of(uint8(target)) }

// Discardable says whether no other frame depends on this one.
func (p *Placement) Discardable() bool {
	const more = 0xaaaa_aaaa_aaaa_aaaa // the upper bit of SwitchPoint and Required
	return p.indications != 0 && p.indications&more == 0
}

// ChainDistance is the distance back to the last frame of a chain before this
// one; 0 when the chain begins here.
func (p *Placement) ChainDistance(chain uint8) uint8 {
	if int(chain) < len(p.chains) {
		return p.chains[chain]
	}
	return 0
}

// Descriptors reads the dependency descriptors of one stream in the order of
// their arrival. It remembers the template structure, which only the first
// packet of a key frame carries. The zero value is ready.
type Descriptors struct {
	structure *Structure
	started   uint16 // number of the frame that brought the structure
	active    uint32
	activated uint16 // number of the frame that brought active
}

// Reset forgets the structure: the stream began anew.
func (d *Descriptors) Reset() { *d = Descriptors{} }

// Read reads one descriptor; newest says that no later packet came before. It
// answers the frame's place, unknown while no structure fits it, and its layer.
// A malformed descriptor answers false. It allocates only for a structure that
// differs from the one before.
func (d *Descriptors) Read(b []byte, newest bool) (p Placement, spatial, temporal uint8, ok bool) {
	if len(b) < ddMandatorySize || len(b) > maxDescriptor {
		return Placement{}, 0, 0, false
	}
	r := bitReader{bytes: b}
	r.read(2) // start and end
	id := uint8(r.read(6))
	p.Number = uint16(r.read(16))
	var f ddFlags
	if len(b) > ddMandatorySize {
		f.read(&r)
	}
	structure, active := d.structure, d.active
	if f.structure {
		if structure = d.recall(b, &r); structure == nil {
			return Placement{}, 0, 0, false
		}
		active = uint32(uint64(1)<<len(structure.targets) - 1)
		if newest || d.structure == nil || int16(p.Number-d.started) > 0 {
			d.structure, d.started = structure, p.Number
			d.active, d.activated = active, p.Number
		}
	}
	if structure == nil {
		return Placement{Number: p.Number}, 0, 0, true
	}
	if f.active {
		active = r.read(len(structure.targets))
		if structure == d.structure && (newest || int16(p.Number-d.activated) >= 0) {
			d.active, d.activated = active, p.Number
		}
	}
	index := int(id-structure.offset) & (maxTemplates - 1)
	if index >= len(structure.templates) {
		return Placement{Number: p.Number}, 0, 0, true // of a structure that is still to come
	}
	t := &structure.templates[index]
	p.Structure, p.Active = structure, active
	p.references, p.indications, p.distances, p.chains = t.references, t.indications, t.distances, t.chains
	p.customise(&r, &f)
	if r.failed {
		return Placement{}, 0, 0, false
	}
	return p, t.spatial, t.temporal, true
}

// ddFlags are the flags before the extended fields.
type ddFlags struct{ structure, active, indications, distances, chains bool }

func (f *ddFlags) read(r *bitReader) {
	f.structure, f.active = r.flag(), r.flag()
	f.indications, f.distances, f.chains = r.flag(), r.flag(), r.flag()
}

// recall reads the structure at r, or answers the one that is known if it is
// the same: an encoder repeats it with every key frame.
func (d *Descriptors) recall(b []byte, r *bitReader) *Structure {
	begin := r.at
	if s := d.structure; s != nil && sameBits(b, s.raw, begin, begin+s.bits) {
		r.at = begin + s.bits
		return s
	}
	s := readStructure(r)
	if s != nil {
		s.raw = string(b)
	}
	return s
}

// sameBits compares two byte sequences from one bit to another.
func sameBits(b []byte, s string, from, to int) bool {
	if len(b)*8 < to || len(s)*8 < to {
		return false
	}
	for i := from >> 3; i<<3 < to; i++ {
		mask := byte(0xff)
		if first := from - i<<3; first > 0 {
			mask &= 0xff >> first
		}
		if last := to - i<<3; last < 8 {
			mask &= 0xff << (8 - last)
		}
		if (b[i]^s[i])&mask != 0 {
			return false
		}
	}
	return true
}

// customise reads what the frame has of its own beside its template
// (frame_dependency_definition()).
func (p *Placement) customise(r *bitReader, f *ddFlags) {
	if f.indications {
		p.indications = 0
		for t := range p.Structure.targets {
			p.indications |= indications(r.read(2)) << (2 * t)
		}
	}
	if f.distances {
		p.references = 0
		for size := r.read(2); size != 0; size = r.read(2) {
			if p.references == MaxReferences {
				r.failed = true
				return
			}
			p.distances[p.references] = uint16(r.read(4*int(size))) + 1
			p.references++
		}
	}
	if f.chains {
		for c := range p.Structure.chains {
			p.chains[c] = uint8(r.read(8))
		}
	}
}

// maxDescriptor is what a header extension can hold (RFC 8285 §4.3).
const maxDescriptor = 255

// PatchDescriptor writes a descriptor that says number and, if active is not 0,
// that only these decode targets of s are sent; all else stays. It appends to
// dst[:0], whose capacity should be 255 so that nothing is allocated, and
// answers nil when b is no descriptor of that structure.
//
// A forwarding unit that leaves layers out tells so on the first packet that is
// meant for fewer targets (A.8.2.1, active_decode_targets_bitmask).
func PatchDescriptor(dst, b []byte, number uint16, active uint32, s *Structure) []byte {
	if len(b) < ddMandatorySize || len(b) > maxDescriptor {
		return nil
	}
	dst = append(dst[:0], b[0], byte(number>>8), byte(number))
	if active == 0 || s == nil {
		return append(dst, b[ddMandatorySize:]...)
	}
	const most = 5 // 5 flags and 32 targets
	size := min(len(b)+most, maxDescriptor)
	dst = append(dst, make([]byte, size-ddMandatorySize)...)
	r, w := bitReader{bytes: b, at: 8 * ddMandatorySize}, bitWriter{bytes: dst, at: 8 * ddMandatorySize}
	var f ddFlags
	if len(b) > ddMandatorySize {
		f.read(&r)
	}
	w.write(f.bits()|activeFlag, 5)
	if f.structure {
		w.copy(&r, min(r.at+s.bits, len(b)*8))
	}
	if f.active {
		r.read(len(s.targets))
	}
	w.write(active, len(s.targets))
	w.copy(&r, len(b)*8)
	if r.failed || w.failed {
		return nil
	}
	return dst[:(w.at+7)/8]
}

// activeFlag is active_decode_targets_present_flag among the five flags.
const activeFlag = 0b01000

// bits are the flags as they are written.
func (f *ddFlags) bits() (v uint32) {
	for _, set := range [...]bool{f.structure, f.active, f.indications, f.distances, f.chains} {
		v <<= 1
		if set {
			v |= 1
		}
	}
	return v
}

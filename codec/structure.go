package codec

// Bounds of a template structure ("RTP Payload Format For AV1" v1.0, Appendix
// A.8.2): what its fields can express.
const (
	MaxTargets   = 32 // dt_cnt_minus_one has five bits
	maxTemplates = 64 // a template id has six bits
	maxSpatial   = 4  // SID of an AV1 OBU has two bits
	maxTemporal  = 8  // TID of an AV1 OBU has three bits

	// MaxReferences is how many earlier frames one may depend on. No codec here
	// keeps more than eight (AV1 bitstream specification §3, NUM_REF_FRAMES).
	MaxReferences = 8
)

// Indication tells what a frame is to a decode target (A.4).
type Indication uint8

// Decode target indications.
const (
	NotPresent  Indication = iota // not part of it
	DiscardOnly                   // part of it, and nothing of it depends on the frame
	SwitchPoint                   // part of it, and all that follows is decodable if the frame is
	Required                      // part of it
)

// indications hold an Indication for each of up to MaxTargets decode targets.
type indications uint64

func (i indications) of(target uint8) Indication { return Indication(i >> (2 * target) & 3) }

// template is a pattern of dependencies that frames refer to.
type template struct {
	spatial, temporal uint8
	references        uint8
	indications       indications
	distances         [MaxReferences]uint16
	chains            [MaxTargets]uint8
}

// Target is one decode target: a set of frames that can be decoded alone.
type Target struct {
	Spatial, Temporal uint8 // the highest layers in it
	Chain             uint8 // the chain that protects it, if there are chains
}

// Size is the size of a picture in pixels.
type Size struct{ Width, Height uint16 }

// Structure is a template dependency structure (A.8.2): the decode targets of a
// coded video sequence and the patterns of its frames. It does not change once
// it was read.
type Structure struct {
	offset    uint8 // template_id_offset
	templates []template
	targets   []Target
	chains    uint8
	sizes     []Size // of each spatial layer; nil when not told
	spatials  uint8
	bits      int    // its own length
	raw       string // the descriptor that it came in, from the structure on
}

// Targets are the decode targets, as the descriptor numbers them.
func (s *Structure) Targets() []Target { return s.targets }

// Chains says how many chains protect the targets.
func (s *Structure) Chains() uint8 { return s.chains }

// Spatials is the number of spatial layers, 1 to 4.
func (s *Structure) Spatials() uint8 { return s.spatials }

// SizeOf answers the size of a spatial layer, zero when it was not told.
func (s *Structure) SizeOf(spatial uint8) Size {
	if int(spatial) < len(s.sizes) {
		return s.sizes[spatial]
	}
	return Size{}
}

// readStructure reads template_dependency_structure(). It allocates; streams
// send one with each key frame.
func readStructure(r *bitReader) *Structure {
	begin := r.at
	s := &Structure{offset: uint8(r.read(6))}
	targets := int(r.read(5)) + 1
	if !s.readLayers(r) {
		return nil
	}
	for i := range s.templates {
		for t := range targets {
			s.templates[i].indications |= indications(r.read(2)) << (2 * t)
		}
	}
	for i := range s.templates {
		t := &s.templates[i]
		for r.flag() {
			if t.references == MaxReferences {
				return nil
			}
			t.distances[t.references] = uint16(r.read(4)) + 1
			t.references++
		}
	}
	s.targets = make([]Target, targets)
	s.readChains(r)
	s.nameTargets()
	if r.flag() {
		s.sizes = make([]Size, s.spatials)
		for i := range s.sizes {
			// 65536 is more than is believed.
			s.sizes[i] = Size{Width: uint16(min(r.read(16)+1, 65535)), Height: uint16(min(r.read(16)+1, 65535))}
		}
	}
	if r.failed {
		return nil
	}
	s.bits = r.at - begin
	return s
}

// readLayers reads template_layers().
func (s *Structure) readLayers(r *bitReader) bool {
	s.templates = make([]template, 0, 16)
	spatial, temporal := uint8(0), uint8(0)
	for !r.failed {
		if len(s.templates) == maxTemplates {
			return false
		}
		s.templates = append(s.templates, template{spatial: spatial, temporal: temporal})
		switch r.read(2) { // next_layer_idc
		case 1:
			temporal++
		case 2:
			spatial, temporal = spatial+1, 0
		case 3:
			s.spatials = spatial + 1
			return !r.failed
		}
		if spatial >= maxSpatial || temporal >= maxTemporal {
			return false
		}
	}
	return false
}

// readChains reads template_chains().
func (s *Structure) readChains(r *bitReader) {
	s.chains = uint8(r.nonSymmetric(uint32(len(s.targets)) + 1))
	if s.chains == 0 {
		return
	}
	for i := range s.targets {
		s.targets[i].Chain = uint8(r.nonSymmetric(uint32(s.chains)))
	}
	for i := range s.templates {
		for c := range s.chains {
			s.templates[i].chains[c] = uint8(r.read(4))
		}
	}
}

// nameTargets finds the layers of each target (decode_target_layers()).
func (s *Structure) nameTargets() {
	for i := range s.targets {
		t := &s.targets[i]
		for j := range s.templates {
			if p := &s.templates[j]; p.indications.of(uint8(i)) != NotPresent {
				t.Spatial = max(t.Spatial, p.spatial)
				t.Temporal = max(t.Temporal, p.temporal)
			}
		}
	}
}

package codec

// Bits of the first byte of the VP9 payload descriptor, RFC 9628 §4.2.
const (
	vp9PictureID = 0x80 // I
	vp9Predicted = 0x40 // P: inter-picture predicted
	vp9Layers    = 0x20 // L
	vp9Flexible  = 0x10 // F
	vp9Begin     = 0x08 // B: start of a layer frame
	vp9End       = 0x04 // E: end of a layer frame
	vp9Structure = 0x02 // V: scalability structure present
	vp9Beneath   = 0x01 // Z: no frame of a larger spatial layer refers to it
)

// maxVP9References is how many P_DIFF fields a descriptor may have.
const maxVP9References = 3

// inspectVP9 reads the payload descriptor of RFC 9628 §4.2 in flexible and
// non-flexible mode.
//
//	      0 1 2 3 4 5 6 7
//	     |I|P|L|F|B|E|V|Z|   required
//	I:   |M| PICTURE ID  |   7 bits, or with M 15 bits in two bytes
//	L:   |TID  |U|SID  |D|
//	     |   TL0PICIDX   |   non-flexible mode only
//	P,F: | P_DIFF      |N|   flexible mode only, up to three
//	V:   | SS ..         |
//
// U means here what RFC 9628 says of it: pictures of higher temporal layers
// that follow may be joined.
func inspectVP9(payload []byte) (Info, bool) {
	if len(payload) < 1 {
		return Info{}, false
	}
	first := payload[0]
	rest := payload[1:]
	info := Info{
		FrameStart: first&vp9Begin != 0, FrameEnd: first&vp9End != 0,
		Predicted: first&vp9Predicted != 0, Beneath: first&vp9Beneath != 0,
	}
	var ok bool
	if first&vp9PictureID != 0 {
		if rest, ok = info.readVP9PictureID(rest); !ok {
			return Info{}, false
		}
	}
	if first&vp9Layers != 0 {
		if rest, ok = info.readVP9Layers(rest, first&vp9Flexible == 0); !ok {
			return Info{}, false
		}
	}
	if first&vp9Flexible != 0 {
		// Picture ids are obligatory in flexible mode; without them the
		// distances say nothing.
		info.Flexible = info.HasPictureID
		if info.Predicted {
			if rest, ok = info.readVP9References(rest); !ok {
				return Info{}, false
			}
		}
	}
	if first&vp9Structure != 0 {
		if rest, ok = skipVP9Structure(rest); !ok {
			return Info{}, false
		}
	}
	if len(rest) == 0 {
		return Info{}, false
	}
	// More than this is read of the structure only, which nobody rewrites.
	info.DescriptorSize = uint8(min(len(payload)-len(rest), 255))
	info.Keyframe = !info.Predicted && info.FrameStart && info.Spatial == 0
	info.SwitchUp = info.SwitchUp || info.Keyframe
	return info, true
}

func (i *Info) readVP9PictureID(rest []byte) ([]byte, bool) {
	if len(rest) < 1 {
		return nil, false
	}
	i.HasPictureID = true
	i.PictureID = uint16(rest[0] & 0x7f)
	if i.LongPictureID = rest[0]&0x80 != 0; !i.LongPictureID {
		return rest[1:], true
	}
	if len(rest) < 2 {
		return nil, false
	}
	i.PictureID = i.PictureID<<8 | uint16(rest[1])
	return rest[2:], true
}

func (i *Info) readVP9Layers(rest []byte, withIndex bool) ([]byte, bool) {
	if len(rest) < 1 {
		return nil, false
	}
	i.Temporal = rest[0] >> 5
	i.SwitchUp = rest[0]&0x10 != 0
	i.Spatial = rest[0] >> 1 & 0x07
	i.Dependent = rest[0]&0x01 != 0
	if !withIndex {
		return rest[1:], true
	}
	if len(rest) < 2 {
		return nil, false
	}
	i.HasTL0PICIDX, i.TL0PICIDX = true, rest[1]
	return rest[2:], true
}

// readVP9References reads the P_DIFF fields: at most three, the last one has N
// clear (RFC 9628 §4.2).
func (i *Info) readVP9References(rest []byte) ([]byte, bool) {
	for range maxVP9References {
		if len(rest) == 0 {
			return nil, false
		}
		i.Distances[i.References] = rest[0] >> 1
		i.References++
		more := rest[0]&0x01 != 0
		rest = rest[1:]
		if !more {
			return rest, true
		}
	}
	return nil, false
}

// skipVP9Structure passes over the scalability structure of RFC 9628 §4.2.1.
//
//	     | N_S |Y|G|-|-|-|
//	Y:   | WIDTH (2) | HEIGHT (2) |   N_S + 1 times
//	G:   |      N_G      |
//	N_G: | TID |U| R |-|-|          and R bytes of P_DIFF
func skipVP9Structure(rest []byte) ([]byte, bool) {
	if len(rest) == 0 {
		return nil, false
	}
	head := rest[0]
	rest = rest[1:]
	if head&0x10 != 0 {
		size := (int(head>>5) + 1) * 4
		if len(rest) < size {
			return nil, false
		}
		rest = rest[size:]
	}
	if head&0x08 == 0 {
		return rest, true
	}
	if len(rest) == 0 {
		return nil, false
	}
	pictures := int(rest[0])
	rest = rest[1:]
	for range pictures {
		if len(rest) == 0 {
			return nil, false
		}
		size := 1 + int(rest[0]>>2&0x03)
		if len(rest) < size {
			return nil, false
		}
		rest = rest[size:]
	}
	return rest, true
}

// SizesVP9 answers the sizes of the spatial layers that a payload's scalability
// structure tells (RFC 9628 §4.2.1), smallest first, and how many layers there
// are; 0 when the payload, which Inspect must have accepted, has none.
func SizesVP9(payload []byte, info Info) (sizes [maxVP9Layers]Size, layers int) {
	if len(payload) == 0 || payload[0]&vp9Structure == 0 {
		return sizes, 0
	}
	at := 1
	if info.HasPictureID {
		at++
		if info.LongPictureID {
			at++
		}
	}
	if payload[0]&vp9Layers != 0 {
		at++
		if info.HasTL0PICIDX {
			at++
		}
	}
	at += int(info.References)
	if at >= len(payload) {
		return sizes, 0
	}
	head := payload[at]
	layers = int(head>>5) + 1
	if head&0x10 == 0 || len(payload) < at+1+4*layers {
		return sizes, layers
	}
	for i := range layers {
		b := payload[at+1+4*i:]
		sizes[i] = Size{Width: uint16(b[0])<<8 | uint16(b[1]), Height: uint16(b[2])<<8 | uint16(b[3])}
	}
	return sizes, layers
}

// maxVP9Layers is how many spatial layers a structure may have: three bits.
const maxVP9Layers = 8

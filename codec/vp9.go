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
)

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
	info := Info{FrameStart: first&vp9Begin != 0, FrameEnd: first&vp9End != 0}
	if first&vp9PictureID != 0 {
		size := 1
		if len(rest) > 0 && rest[0]&0x80 != 0 {
			size = 2
		}
		if len(rest) < size {
			return Info{}, false
		}
		rest = rest[size:]
	}
	if first&vp9Layers != 0 {
		size := 1
		if first&vp9Flexible == 0 {
			size = 2
		}
		if len(rest) < size {
			return Info{}, false
		}
		info.Temporal = rest[0] >> 5
		info.SwitchUp = rest[0]&0x10 != 0
		info.Spatial = rest[0] >> 1 & 0x07
		rest = rest[size:]
	}
	if first&vp9Flexible != 0 && first&vp9Predicted != 0 {
		var ok bool
		if rest, ok = skipVP9References(rest); !ok {
			return Info{}, false
		}
	}
	if first&vp9Structure != 0 {
		var ok bool
		if rest, ok = skipVP9Structure(rest); !ok {
			return Info{}, false
		}
	}
	if len(rest) == 0 {
		return Info{}, false
	}
	info.Keyframe = first&vp9Predicted == 0 && info.FrameStart && info.Spatial == 0
	info.SwitchUp = info.SwitchUp || info.Keyframe
	return info, true
}

// skipVP9References passes over the P_DIFF fields: at most three, the last one
// has N clear (RFC 9628 §4.2).
func skipVP9References(rest []byte) ([]byte, bool) {
	for range 3 {
		if len(rest) == 0 {
			return nil, false
		}
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

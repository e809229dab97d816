package codec

// AV1 aggregation header bits ("RTP Payload Format For AV1" v1.0 §4.4).
const (
	av1Continues   = 0x80 // Z: the first element continues the last packet's
	av1NewSequence = 0x08 // N: first packet of a coded video sequence
)

// OBU types (AV1 bitstream specification §6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
)

// Dependency descriptor (v1.0 Appendix A.8.2): the mandatory fields, and the
// first bit of the extended ones.
const (
	ddMandatorySize = 3
	ddStartOfFrame  = 0x80
	ddEndOfFrame    = 0x40
	ddStructure     = 0x80 // template_dependency_structure_present_flag
)

// inspectAV1 reads the aggregation header and, if the packet has one, the
// mandatory fields of the dependency descriptor.
//
//	 0 1 2 3 4 5 6 7
//	|Z|Y| W |N|-|-|-|
//
// A descriptor bounds a layer frame exactly, and carries the template
// structure in the first packet of a coded video sequence, which starts with a
// key frame. Without one, a frame starts where the first element is not a
// continuation and its OBU may begin a frame, and ends at the marker.
func inspectAV1(payload, descriptor []byte, marker bool) (Info, bool) {
	if len(payload) < 2 {
		return Info{}, false
	}
	head := payload[0]
	continues := head&av1Continues != 0
	newSequence := head&av1NewSequence != 0
	if continues && newSequence {
		return Info{}, false // §4.4: "If N equals 1 then Z must equal 0"
	}
	info := Info{FrameEnd: marker}
	if len(descriptor) >= ddMandatorySize {
		info.FrameStart = descriptor[0]&ddStartOfFrame != 0
		info.FrameEnd = descriptor[0]&ddEndOfFrame != 0
		structure := len(descriptor) > ddMandatorySize && descriptor[ddMandatorySize]&ddStructure != 0
		info.Keyframe = info.FrameStart && (structure || newSequence)
		info.SwitchUp = info.Keyframe
		return info, true
	}
	if continues {
		return info, true
	}
	kind, ok := firstOBU(payload)
	if !ok {
		return Info{}, false
	}
	info.Keyframe = newSequence || kind == obuSequenceHeader
	switch kind {
	case obuTemporalDelimiter, obuSequenceHeader, obuFrameHeader, obuFrame:
		info.FrameStart = true
	default: // metadata before a key frame, say
		info.FrameStart = newSequence
	}
	info.SwitchUp = info.Keyframe
	return info, true
}

// firstOBU answers the type of the payload's first OBU. Its element has a length
// (LEB128) before it unless it is the only one (W=1).
func firstOBU(payload []byte) (kind byte, ok bool) {
	rest := payload[1:]
	if payload[0]>>4&0x03 != 1 {
		size, used := leb128(rest)
		if used == 0 || size == 0 || size > uint64(len(rest)-used) {
			return 0, false
		}
		rest = rest[used:]
	}
	if len(rest) == 0 || rest[0]&0x80 != 0 { // obu_forbidden_bit
		return 0, false
	}
	return rest[0] >> 3 & 0x0f, true
}

// leb128 reads a number of at most eight bytes (AV1 bitstream specification
// §4.10.5); used is 0 if there is none.
func leb128(b []byte) (value uint64, used int) {
	for i := 0; i < len(b) && i < 8; i++ {
		value |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, 0
}

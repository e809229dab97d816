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
	switch kind {
	case obuSequenceHeader:
		info.FrameStart = true
	case obuTemporalDelimiter, obuFrameHeader, obuFrame:
		info.FrameStart = true
	}
	info.Keyframe = newSequence || kind == obuSequenceHeader
	info.FrameStart = info.FrameStart || newSequence
	info.SwitchUp = info.Keyframe
	return info, true
}

// firstOBU answers the type of the payload's first OBU.
func firstOBU(payload []byte) (kind byte, ok bool) {
	rest := payload[1:]
	if payload[0]>>4&0x03 != 1 { // W=1: the only element has no length
		for i := 0; ; i++ {
			if i == 8 || len(rest) == 0 {
				return 0, false
			}
			more := rest[0]&0x80 != 0
			rest = rest[1:]
			if !more {
				break
			}
		}
	}
	if len(rest) == 0 {
		return 0, false
	}
	return rest[0] >> 3 & 0x0f, true
}

package codec

// NAL unit types of H.264 (ITU-T H.264 table 7-1) and of its RTP payload
// (RFC 6184 §5.2).
const (
	h264Slice  = 1
	h264IDR    = 5
	h264SEI    = 6
	h264SPS    = 7
	h264PPS    = 8
	h264AUD    = 9
	h264STAPA  = 24
	h264STAPB  = 25
	h264MTAP16 = 26
	h264MTAP24 = 27
	h264FUA    = 28
	h264FUB    = 29
)

// inspectH264 looks into single NAL unit packets, STAP-A and FU-A (RFC 6184
// §5.6 - §5.8); the interleaved mode is not used by WebRTC (RFC 7742 §6.2) and
// is refused.
//
// The format has no start-of-frame bit. A frame starts where an access unit
// may start (ITU-T H.264 §7.4.1.2.3): at a delimiter, a parameter set, SEI, or
// at a slice whose first macroblock is 0. So several packets of one frame may
// say FrameStart; the first of them that is seen is the right one. A sequence
// parameter set or an IDR slice makes a key frame.
func inspectH264(payload []byte, marker bool) (Info, bool) {
	if len(payload) == 0 {
		return Info{}, false
	}
	info := Info{FrameEnd: marker}
	switch kind := payload[0] & 0x1f; kind {
	case h264STAPA:
		if !info.readSTAPA(payload[1:]) {
			return Info{}, false
		}
	case h264FUA:
		if len(payload) < 3 {
			return Info{}, false
		}
		info.Discardable = unreferenced(payload[0], payload[1]&0x1f)
		if payload[1]&0x80 != 0 { // S
			info.noteH264(payload[1]&0x1f, payload[2:])
		}
	case 0, h264STAPB, h264MTAP16, h264MTAP24, h264FUB, 30, 31:
		return Info{}, false
	default:
		info.Discardable = unreferenced(payload[0], kind)
		info.noteH264(kind, payload[1:])
	}
	info.SwitchUp = info.Keyframe
	return info, true
}

// unreferenced says whether a slice belongs to a picture that no other refers
// to: nal_ref_idc 00 (ITU-T H.264 §7.4.1). Other units have 00 as well, and it
// tells nothing there.
func unreferenced(header, kind byte) bool {
	return header&0x60 == 0 && kind == h264Slice
}

// readSTAPA walks the units of a single-time aggregate (RFC 6184 §5.7.1): a
// 16-bit size before each.
func (i *Info) readSTAPA(rest []byte) bool {
	if len(rest) == 0 {
		return false
	}
	for len(rest) > 0 {
		if len(rest) < 2 {
			return false
		}
		size := int(rest[0])<<8 | int(rest[1])
		rest = rest[2:]
		if size == 0 || size > len(rest) {
			return false
		}
		i.noteH264(rest[0]&0x1f, rest[1:size])
		rest = rest[size:]
	}
	return true
}

// noteH264 adds what a unit of one type tells; body follows its header byte.
func (i *Info) noteH264(kind byte, body []byte) {
	switch kind {
	case h264SPS:
		i.Keyframe = true
		i.Parameters = true
		i.FrameStart = true
	case h264AUD, h264SEI, h264PPS:
		i.FrameStart = true
	case h264IDR, h264Slice:
		// first_mb_in_slice is ue(v): its first bit is 1 only for 0 (§7.3.3).
		first := len(body) > 0 && body[0]&0x80 != 0
		i.FrameStart = i.FrameStart || first
		i.Keyframe = i.Keyframe || kind == h264IDR && first
	}
}

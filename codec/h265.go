package codec

// NAL unit types of H.265 (ITU-T H.265 table 7-1) and of its RTP payload
// (RFC 7798 §4.4).
const (
	h265FirstIRAP = 16 // BLA_W_LP
	h265LastIRAP  = 23 // RSV_IRAP_VCL23
	h265LastVCL   = 31
	h265VPS       = 32
	h265SPS       = 33
	h265AUD       = 35
	h265SEI       = 39
	h265Aggregate = 48
	h265Fragment  = 49
)

// inspectH265 looks into single NAL unit packets, aggregation packets and
// fragmentation units (RFC 7798 §4.4.1 - §4.4.3), without the decoding order
// numbers, which WebRTC does not use. Frame starts as in H.264.
//
//	|F|   Type    |  LayerId  | TID |   TID is the temporal id plus 1
func inspectH265(payload []byte, marker bool) (Info, bool) {
	if len(payload) < 3 {
		return Info{}, false
	}
	tid := payload[1] & 0x07
	if tid == 0 {
		return Info{}, false // forbidden, §1.1.4
	}
	info := Info{FrameEnd: marker, Temporal: tid - 1}
	switch kind := payload[0] >> 1 & 0x3f; kind {
	case h265Aggregate:
		if !info.readH265Aggregate(payload[2:]) {
			return Info{}, false
		}
	case h265Fragment:
		if len(payload) < 4 {
			return Info{}, false
		}
		info.noteH265Sublayer(payload[2] & 0x3f)
		if payload[2]&0x80 != 0 { // S
			info.noteH265(payload[2]&0x3f, payload[3:])
		}
	default:
		if kind > h265Fragment {
			return Info{}, false
		}
		info.noteH265Sublayer(kind)
		info.noteH265(kind, payload[2:])
	}
	info.SwitchUp = info.SwitchUp || info.Keyframe
	return info, true
}

// readH265Aggregate walks the units of an aggregation packet (RFC 7798 §4.4.2).
func (i *Info) readH265Aggregate(rest []byte) bool {
	if len(rest) == 0 {
		return false
	}
	for len(rest) > 0 {
		if len(rest) < 2 {
			return false
		}
		size := int(rest[0])<<8 | int(rest[1])
		rest = rest[2:]
		if size < 3 || size > len(rest) {
			return false
		}
		kind := rest[0] >> 1 & 0x3f
		i.noteH265Sublayer(kind)
		i.noteH265(kind, rest[2:size])
		rest = rest[size:]
	}
	return true
}

// noteH265 adds what a unit of one type tells; body follows its header.
func (i *Info) noteH265(kind byte, body []byte) {
	switch {
	case kind == h265VPS || kind == h265SPS:
		i.Keyframe = true
		i.Parameters = true
		i.FrameStart = true
	case kind > h265SPS && kind <= h265AUD || kind == h265SEI:
		i.FrameStart = true
	case kind <= h265LastVCL:
		// first_slice_segment_in_pic_flag is the first bit (§7.3.6.1).
		first := len(body) > 0 && body[0]&0x80 != 0
		i.FrameStart = i.FrameStart || first
		i.Keyframe = i.Keyframe || first && kind >= h265FirstIRAP && kind <= h265LastIRAP
	}
}

// noteH265Sublayer reads what the type says of the temporal sub-layer (ITU-T
// H.265 §7.4.2.2): TSA (2, 3) and STSA (4, 5) pictures may be switched up to.
func (i *Info) noteH265Sublayer(kind byte) {
	if kind >= 2 && kind <= 5 {
		i.SwitchUp = true
	}
}

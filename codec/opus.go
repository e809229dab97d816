package codec

// inspectOpus: every Opus payload is one whole frame for a forwarder, and is
// decodable whatever was lost before it (RFC 7587 §4.2).
func inspectOpus([]byte) (Info, bool) {
	return Info{FrameStart: true, FrameEnd: true}, true
}

// Redundant is how many blocks of earlier sound a RED payload brings (RFC 2198
// §3), as far as its headers go.
func Redundant(payload []byte) (blocks int) {
	for rest := payload; len(rest) >= 4 && rest[0]&0x80 != 0; rest = rest[4:] {
		blocks++
	}
	return blocks
}

// inspectRED walks the block headers of RFC 2198 §3 far enough to know that
// they and the redundant blocks lie inside the payload.
//
//	 0                   1                    2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	|F|   block PT  |  timestamp offset         |   block length    |
//	|0|   block PT  |                               (the last one)
func inspectRED(payload []byte) (Info, bool) {
	info := Info{FrameStart: true, FrameEnd: true}
	if len(payload) == 0 {
		return info, true
	}
	rest, blocks := payload, 0
	for len(rest) > 0 && rest[0]&0x80 != 0 {
		if len(rest) < 4 {
			return Info{}, false
		}
		blocks += int(rest[2]&0x03)<<8 | int(rest[3])
		rest = rest[4:]
	}
	if len(rest) < 1+blocks {
		return Info{}, false
	}
	return info, true
}

package icemux

import "encoding/binary"

// STUN as far as a demultiplexer has to know it (RFC 8489 §5, §14):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|0 0|     STUN Message Type     |         Message Length        |
//	|                  Magic Cookie 0x2112A442                      |
//	|                  Transaction ID (96 bits)                     |
//	|        Attribute Type         |        Attribute Length       |
//	|              value, padded to four bytes                   ...|
const (
	stunHeader  = 20
	stunCookie  = 0x2112A442
	stunRequest = 0x0001 // binding request
	stunSuccess = 0x0101 // binding success response

	attributeUsername = 0x0006
	// maxUfrag is the longest user fragment (RFC 8839 §5.4).
	maxUfrag = 256
)

// stunType returns the type of a well-formed STUN message. The length must be
// that of the whole datagram, so that nothing but STUN passes.
func stunType(p []byte) (kind uint16, ok bool) {
	if len(p) < stunHeader || p[0] > 3 ||
		binary.BigEndian.Uint32(p[4:]) != stunCookie {
		return 0, false
	}
	length := int(binary.BigEndian.Uint16(p[2:]))
	if length%4 != 0 || stunHeader+length != len(p) {
		return 0, false
	}
	return binary.BigEndian.Uint16(p), true
}

// requestUfrag returns our own user fragment out of a binding request: what
// stands before the colon in USERNAME (RFC 8445 §7.2.2). The slice is part of
// p. It does not check MESSAGE-INTEGRITY, which the ICE agent does.
func requestUfrag(p []byte) (ufrag []byte, ok bool) {
	if kind, isSTUN := stunType(p); !isSTUN || kind != stunRequest {
		return nil, false
	}
	for rest := p[stunHeader:]; len(rest) >= 4; {
		length := int(binary.BigEndian.Uint16(rest[2:]))
		padded := 4 + (length+3)&^3
		if padded > len(rest) {
			return nil, false
		}
		if binary.BigEndian.Uint16(rest) == attributeUsername {
			return beforeColon(rest[4 : 4+length])
		}
		rest = rest[padded:]
	}
	return nil, false
}

func beforeColon(username []byte) ([]byte, bool) {
	for i, c := range username {
		if c == ':' {
			return username[:i], i > 0
		}
		if i == maxUfrag {
			break
		}
	}
	return nil, false
}

// isMedia tells RTP and RTCP from STUN and DTLS (RFC 7983 §7).
func isMedia(p []byte) bool { return len(p) > 0 && p[0] >= 128 && p[0] <= 191 }

// isRTCP tells RTCP from RTP; p is media (RFC 5761 §4).
func isRTCP(p []byte) bool { return len(p) > 1 && p[1] >= 192 && p[1] <= 223 }

package turn

import (
	"encoding/binary"

	"github.com/pion/stun/v4"
)

// Shapes on the wire (RFC 8489 §5, RFC 8656 §12.4).
const (
	stunHeaderLength    = 20
	stunCookie          = 0x2112A442
	channelHeaderLength = 4
	// attributeLimit is far above what any request carries.
	attributeLimit = 64
	// maxNonce is the longest nonce that is looked at: RFC 8489 §14.10 allows
	// 128 characters, ours have 25, and decoding one takes quadratic time.
	maxNonce = 128
)

// Bits of a STUN message type (RFC 8489 §5).
const (
	classBits       = 0x0110
	classRequest    = 0x0000
	classIndication = 0x0010
	classSuccess    = 0x0100
	classError      = 0x0110

	typeSend            = 0x0016
	typeData            = 0x0017
	typeAllocateSuccess = 0x0103
)

// frameKind is what the first bytes of a datagram or frame say it is.
type frameKind uint8

const (
	kindOther frameKind = iota // neither: nothing for a relay
	kindSTUN
	kindChannelData
)

// kindOf reads the two top bits (RFC 8656 §12) and the cookie.
func kindOf(b []byte) frameKind {
	if len(b) < channelHeaderLength {
		return kindOther
	}
	switch b[0] >> 6 {
	case 1:
		return kindChannelData
	case 0:
		if len(b) >= stunHeaderLength && binary.BigEndian.Uint32(b[4:]) == stunCookie {
			return kindSTUN
		}
	}
	return kindOther
}

// stunType reads a message's type; b must be of kindSTUN.
func stunType(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// methodOf takes the class bits out of a type (RFC 8489 §5, figure 3).
func methodOf(t uint16) stun.Method {
	return stun.Method(t&0x000F | t&0x00E0>>1 | t&0x3E00>>2)
}

// request is what the gate must know of a STUN message before pion sees it.
type request struct {
	typ          uint16
	hasIntegrity bool
	hasPeer      bool
	username     []byte // nil if absent; aliases the message
	transport    byte   // REQUESTED-TRANSPORT, 0 if absent
	reserves     bool   // EVEN-PORT asks to reserve the next port too
}

// scan walks the attributes of b, a STUN message, without allocating. It answers
// false for a message whose lengths do not add up, or with attributes that no
// honest client sends.
func scan(b []byte) (r request, ok bool) {
	if kindOf(b) != kindSTUN {
		return request{}, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length%4 != 0 || stunHeaderLength+length != len(b) {
		return request{}, false
	}
	r.typ = stunType(b)
	rest := b[stunHeaderLength:]
	sealed := false // behind integrity nothing counts, RFC 8489 §14.5 and §14.6
	for count := 0; len(rest) > 0; count++ {
		if len(rest) < 4 || count == attributeLimit {
			return request{}, false
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		padded := (size + 3) &^ 3
		if 4+padded > len(rest) {
			return request{}, false
		}
		value := rest[4 : 4+size]
		typ := stun.AttrType(binary.BigEndian.Uint16(rest))
		rest = rest[4+padded:]
		if sealed {
			continue
		}
		switch typ {
		case stun.AttrMessageIntegrity:
			r.hasIntegrity, sealed = true, true
		case stun.AttrMessageIntegritySHA256:
			sealed = true
		case stun.AttrUsername:
			if size > 512 { // RFC 8489 §14.3: at most 508 bytes
				return request{}, false
			}
			if r.username == nil {
				r.username = value
			}
		case stun.AttrNonce:
			if size > maxNonce {
				return request{}, false
			}
		case stun.AttrXORPeerAddress:
			r.hasPeer = true
		case stun.AttrEvenPort:
			r.reserves = size > 0 && value[0]&0x80 != 0
		case stun.AttrRequestedTransport:
			if size > 0 {
				r.transport = value[0]
			}
		}
	}
	return r, true
}

// unproven says whether b, on its way out, answers a request that proved
// nothing: a STUN response without MESSAGE-INTEGRITY. Such are 401, 438, 400
// and the answer to Binding.
func unproven(b []byte) bool {
	if kindOf(b) != kindSTUN {
		return false
	}
	if class := stunType(b) & classBits; class != classSuccess && class != classError {
		return false
	}
	r, ok := scan(b)
	return ok && !r.hasIntegrity
}

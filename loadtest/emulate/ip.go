package emulate

import (
	"encoding/binary"
	"net/netip"
)

// ECN codepoints, RFC 3168 §5.
const (
	ecnMask = 0b11
	ecnCE   = 0b11
)

// header is what an emulated wire looks at in an IP packet.
type header struct {
	ect bool // it may be marked (ECT(0), ECT(1) or CE)
	// local: for neighbours on the same wire only. A link stands for a routed
	// path, which no such packet crosses.
	local bool
}

// parseHeader reads the header of an IP packet from a TUN device. false: it is
// no IP packet.
func parseHeader(p []byte) (h header, ok bool) {
	if len(p) == 0 {
		return h, false
	}
	switch p[0] >> 4 {
	case 4:
		if len(p) < 20 || p[0]&0xf < 5 {
			return h, false
		}
		to := netip.AddrFrom4([4]byte(p[16:20]))
		return header{p[1]&ecnMask != 0, to.IsLinkLocalMulticast() || to.IsLinkLocalUnicast()}, true
	case 6:
		if len(p) < 40 {
			return h, false
		}
		to, from := netip.AddrFrom16([16]byte(p[24:40])), netip.AddrFrom16([16]byte(p[8:24]))
		local := to.IsLinkLocalMulticast() || to.IsLinkLocalUnicast() || from.IsLinkLocalUnicast()
		return header{p[1]>>4&ecnMask != 0, local}, true
	}
	return h, false
}

// markCE sets "congestion experienced" on a packet whose header was parsed and
// which is ECN-capable.
func markCE(p []byte) {
	if p[0]>>4 == 6 {
		p[1] |= ecnCE << 4
		return
	}
	before := binary.BigEndian.Uint16(p[0:2])
	p[1] |= ecnCE
	after := binary.BigEndian.Uint16(p[0:2])
	// RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
	sum := uint32(^binary.BigEndian.Uint16(p[10:12])) + uint32(^before) + uint32(after)
	sum = sum&0xffff + sum>>16
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(p[10:12], ^uint16(sum))
}

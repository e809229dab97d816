// Package wire holds what a server's peer and the Go client do alike with the
// wire: it decides how many bytes a path adds to an RTP packet, and how reports
// become RTCP. Inputs are a pion candidate and the cores' reports; outputs are
// sizes and RTCP packets.
//
// Specifications: RFC 791, RFC 8200, RFC 768, RFC 9293, RFC 4571, RFC 8656,
// RFC 7714 (sizes); RFC 3550 §6.4 (reports).
package wire

import (
	"net/netip"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// What the wire adds to a packet, in bytes.
const (
	ipv4Header  = 20 // RFC 791 §3.1
	ipv6Header  = 40 // RFC 8200 §3
	udpHeader   = 8  // RFC 768
	tcpHeader   = 32 // RFC 9293 §3.1 with timestamps (RFC 7323 §3)
	tcpFraming  = 2  // RFC 4571 §2
	channelData = 4  // RFC 8656 §12.4
	srtpTag     = 10 // HMAC-SHA1-80, RFC 3711 §5.2; see profile.Protection
	srtcpIndex  = 4  // RFC 3711 §3.4

	// UsualOverhead is that of the usual path, IPv4 and UDP, in bytes.
	UsualOverhead units.Size = ipv4Header + udpHeader + srtpTag
	// ReportOverhead is what it adds to RTCP there.
	ReportOverhead = UsualOverhead + srtcpIndex
)

// RecorderConfig is the recorder of reports that leave by the usual path.
func RecorderConfig() feedback.RecorderConfig {
	cfg := feedback.DefaultRecorderConfig()
	cfg.Overhead = ReportOverhead
	return cfg
}

// Overhead is what the wire adds to an RTP packet on a path with this candidate,
// in bytes: the SRTP tag, and the headers of a relay, UDP or TCP, and IP. The
// candidate is one's own where a relay is to count: from the other side it cannot
// be seen.
func Overhead(c *webrtc.ICECandidate) units.Size {
	size := units.Size(srtpTag + ipv4Header)
	if a, err := netip.ParseAddr(c.Address); err == nil && a.Is6() && !a.Is4In6() {
		size = srtpTag + ipv6Header
	}
	if c.Typ == webrtc.ICECandidateTypeRelay {
		size += channelData
	}
	if c.Protocol == webrtc.ICEProtocolTCP {
		return size + tcpHeader + tcpFraming
	}
	return size + udpHeader
}

// AppendFeedback adds the congestion-control feedback that is due. Its bytes are
// in memory, which is used anew and answered for the next time: the packets hold
// until then.
func AppendFeedback(now time.Time, r *feedback.Recorder, memory []byte, dst []rtcp.Packet) ([]rtcp.Packet, []byte) {
	if !r.Due(now) {
		return dst, memory
	}
	memory = memory[:0]
	for more := true; more; {
		begin := len(memory)
		memory, more = r.Build(now, memory)
		if len(memory) == begin {
			break
		}
		raw := rtcp.RawPacket(memory[begin:len(memory):len(memory)])
		dst = append(dst, &raw)
	}
	return dst, memory
}

// AppendReceiverReports packs reports into as few packets as the five-bit count
// allows (RFC 3550 §6.4.2).
func AppendReceiverReports(dst []rtcp.Packet, reports []rtcp.ReceptionReport) []rtcp.Packet {
	const perPacket = 31
	for len(reports) > 0 {
		n := min(len(reports), perPacket)
		dst = append(dst, &rtcp.ReceiverReport{Reports: reports[:n]})
		reports = reports[n:]
	}
	return dst
}

// AppendNACK asks for packets of a stream; for none it adds nothing (RFC 4585
// §6.2.1).
func AppendNACK(dst []rtcp.Packet, ssrc uint32, sequences []uint16) []rtcp.Packet {
	if len(sequences) == 0 {
		return dst
	}
	return append(dst, &rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(sequences)})
}

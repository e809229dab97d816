package full

import "github.com/rivulet-rtc/rivulet/loadtest/lab"

// datagramKind tells what a datagram is for by what SRTP and SRTCP leave clear: the
// first byte (RFC 7983), the RTP header, and the header of the first packet of
// RTCP, which names a compound packet as a whole (RFC 3711 §3.4).
func datagramKind(b []byte) lab.PacketKind {
	switch {
	case len(b) == 0:
		return lab.KindOther
	case b[0] <= 3:
		return lab.KindSTUN
	case b[0] >= 20 && b[0] <= 63:
		return lab.KindDTLS
	case b[0] < 128 || b[0] > 191 || len(b) < 8:
		return lab.KindOther
	case b[1] >= 192 && b[1] <= 223: // RFC 5761 §4
		return controlKind(b[1], b[0]&0x1f)
	case len(b) >= 12 && (b[1]&0x7f == opusPayload || b[1]&0x7f == redPayload):
		return lab.KindVoice
	}
	return lab.KindMedia
}

// controlKind tells RTCP apart by its packet type and format.
func controlKind(packetType, format byte) lab.PacketKind {
	switch {
	case packetType == 200:
		return lab.KindSenderReport
	case packetType == 201:
		return lab.KindReceiverReport
	case packetType == 205 && format == 1:
		return lab.KindNACK
	case packetType == 205 && format == 15:
		return lab.KindTransportWide
	case packetType == 205 && format == 11:
		return lab.KindByStream
	case packetType == 206:
		return lab.KindPayloadFeedback
	case packetType == 207:
		return lab.KindExtendedReport
	}
	return lab.KindOther
}

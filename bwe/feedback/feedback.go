// Package feedback writes and reads the reports that congestion control lives
// on: which packets of a path arrived, and when.
//
// Recorder is for what somebody sends to us: it notes arrivals and writes
// reports. Decoder and StreamDecoder are for what we send: they read reports and
// answer bwe.PacketReport with unwrapped sequence numbers and arrival times. There
// are two formats: transport-wide congestion control (TWCC), which browsers
// speak and which costs a header extension on every packet, and RFC 8888, which
// needs none: it names streams, and Sent remembers which packet of the path each
// of theirs was. All are pure and work on raw RTCP packets,
// without allocation.
//
// When to report is decided by what reports may cost (budget.go): a share of
// what arrives, with a reserve for what is urgent: a burst of losses, or a jump
// of the delay that shows in the media's own time stamps (trend.go). Whoever sends the bytes puts them into (reduced-size)
// RTCP, and SRTCP around it.
//
// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, after the RTCP header (PT 205, FMT 15):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+
//	|                     SSRC of packet sender                     |
//	|                      SSRC of media source                     |
//	|      base sequence number     |      packet status count      |
//	|          reference time (64 ms)               | fb pkt. count |
//	|  packet chunk (16 bits each) ...                              |
//	|  receive deltas (250 us; 8 bits, or 16 bits signed) ...       |
//	|  zero padding to 32 bits                                      |
//	+---------------------------------------------------------------+
//
// A chunk is a run of one symbol (0 | symbol:2 | length:13) or a vector of
// symbols (1 | 0 | 14 x 1 bit, or 1 | 1 | 7 x 2 bits). Symbols: 0 not received,
// 1 received with a small delta, 2 received with a large or negative delta.
//
// RFC 8888 §3.1, after the RTCP header (PT 205, FMT 11):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+
//	|                     SSRC of packet sender                     |
//	+---------------------------------------------------------------+
//	|                     SSRC of an RTP stream                     |  for each
//	|           begin_seq           |          num_reports          |  stream
//	|R|ECN|  arrival time offset    | ... 16 bits a packet, padded  |
//	+---------------------------------------------------------------+
//	|            report time stamp (1/65536 s)                      |
//	+---------------------------------------------------------------+
//
// R: it was received; the offset is how long before the report, in 1/1024 s.
package feedback

import "time"

const (
	typeRTPFB  = 205 // RFC 4585 §6.2
	formatTWCC = 15
	headerSize = 20 // RTCP header, two SSRCs, and the fixed part of the report

	symbolMissing = 0
	symbolSmall   = 1
	symbolLarge   = 2

	maxRun = 1<<13 - 1

	// tick is the unit of a receive delta, ticksPerReference those of one
	// unit of the reference time.
	tick              = 250 * time.Microsecond
	ticksPerReference = 256
)

// IsTWCC answers whether one RTCP packet is a transport-wide congestion
// control report.
func IsTWCC(packet []byte) bool {
	return len(packet) >= 4 && packet[0]>>6 == 2 && packet[0]&0x1f == formatTWCC && packet[1] == typeRTPFB
}

// IsReport answers whether one RTCP packet is a report of either format.
func IsReport(packet []byte) bool { return IsTWCC(packet) || IsCCFB(packet) }

// Next takes the first RTCP packet off a compound one (RFC 3550 §6.1). It
// answers nothing where there is none, or it is longer than what is there.
func Next(compound []byte) (packet, rest []byte) {
	if len(compound) < 4 {
		return nil, nil
	}
	size := 4 * (int(compound[2])<<8 + int(compound[3]) + 1)
	if size > len(compound) {
		return nil, nil
	}
	return compound[:size:size], compound[size:]
}

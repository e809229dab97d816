package peer

import "sync/atomic"

// counters are the media plane's totals.
type counters struct {
	malformed   atomic.Uint64
	oversized   atomic.Uint64
	unknown     atomic.Uint64
	notAccepted atomic.Uint64
	overload    atomic.Uint64
	rtcpLimited atomic.Uint64
	received    atomic.Uint64

	forwarded, forwardedBytes atomic.Uint64

	asked, keyframes atomic.Uint64
	tally            tally

	coarse            atomic.Int64
	reliable          atomic.Int64
	mixes, mixOutputs atomic.Int64
	mixed             atomic.Uint64
}

// Stats are totals of the media plane since it started.
type Stats struct {
	// Malformed packets could not be parsed; Oversized were larger than
	// packet.MaxSize; Unknown belonged to no published stream.
	Malformed, Oversized, Unknown uint64
	// NotAccepted were duplicates, padding, or too old.
	NotAccepted uint64
	// Overload is how many packets a worker had no room for.
	Overload uint64
	// RTCPLimited is how many RTCP packets were over their peer's limit, of
	// peers that have ended.
	RTCPLimited uint64
	// Received is how many RTP packets came in, Forwarded how many were
	// written to subscribers and ForwardedBytes what they weighed on the wire.
	Received, Forwarded, ForwardedBytes uint64
	// Peers and BuffersInUse are current.
	Peers, BuffersInUse int64
	// Asked is how many packets publishers were asked to send again, Keyframes
	// how many key frames.
	Asked, Keyframes uint64
	Downlinks        DownlinkStats
	// Coarse is how many peers send no packet reports now, so that what they
	// are sent is judged by receiver reports alone.
	Coarse int64
	// Reliable is how many peers are reached over TCP now, so that delay alone
	// tells of congestion, and nothing is repaired above it.
	Reliable int64
	// Mixes is how many rooms are mixed for now, MixOutputs how many streams
	// are encoded for them, Mixed how many packets these have made.
	Mixes, MixOutputs int64
	Mixed             uint64
}

// Stats answers the totals.
func (m *Media) Stats() Stats {
	return Stats{
		Malformed:   m.counts.malformed.Load(),
		Oversized:   m.counts.oversized.Load(),
		Unknown:     m.counts.unknown.Load(),
		NotAccepted: m.counts.notAccepted.Load(),
		Overload:    m.counts.overload.Load(),
		RTCPLimited: m.counts.rtcpLimited.Load(),
		Received:    m.counts.received.Load(),
		Forwarded:   m.counts.forwarded.Load(),

		ForwardedBytes: m.counts.forwardedBytes.Load(),
		Asked:          m.counts.asked.Load(),
		Keyframes:      m.counts.keyframes.Load(),
		Downlinks:      m.counts.tally.stats(),
		Peers:          m.peers.Load(),
		BuffersInUse:   m.pool.InUse(),
		Coarse:         m.counts.coarse.Load(),
		Reliable:       m.counts.reliable.Load(),
		Mixes:          m.counts.mixes.Load(),
		MixOutputs:     m.counts.mixOutputs.Load(),
		Mixed:          m.counts.mixed.Load(),
	}
}

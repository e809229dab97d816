// Package uplink keeps one incoming RTP stream of a publisher: one simulcast
// layer or one audio track.
//
// It decides which packets are new, which are missing and worth asking for
// again, and when to ask the publisher for a key frame; it measures what the
// stream costs on the wire, and it caches packets so that a late NACK can be
// served. Input is every packet of the media stream and of its retransmission
// stream, and time; output is a verdict per packet, the sequence numbers to
// NACK, reception reports and rates.
//
//	Receive, ReceiveRTX
//	  1. order    unwrap the sequence; new, late, duplicate, or a restarted source
//	  2. window   one bit of memory per sequence number, and the packet itself
//	  3. gaps     what is missing: appended by a leap, cleared by arrival
//	  4. codec    what the payload and its descriptor tell
//	  5. meters   wire rate by spatial and temporal layer, activity, jitter
//	AppendNACKs, KeyframeDue, Tick at the time that Next tells
//
// Nothing that the network sends makes it grow: the window is a ring, at most
// maxMissing packets are asked for, each at most MaxNACKs times, and all NACKs
// together at most once per packet received, so that retransmission can never
// crowd out the stream itself.
//
// Specification: RFC 3550 §6.4.1 and appendices A.1, A.3 and A.8; RFC 4585
// §6.2.1 (NACK) and §6.3.1 (PLI); RFC 4588 (retransmission).
//
// The package is pure: it is told the time and holds no lock. sfu/peer owns and
// locks a Stream.
package uplink

import (
	"encoding/binary"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// videoCache and audioCache are the default numbers of packets kept: about
	// two seconds of video at 2.5 Mbit/s, and of audio at 20 ms.
	videoCache = 512
	audioCache = 128
	minCache   = 16
	maxCache   = 4096

	// cacheLife is how long a packet is kept at most: nobody plays what is
	// older, and a paused layer should not hold half a megabyte.
	cacheLife = 3 * time.Second

	// defaultOverhead is what a packet costs beside its payload, in bytes:
	// IPv4 20, UDP 8, RTP 12, SRTP tag 10.
	defaultOverhead units.Size = 50

	// originalSize is the length of the original sequence number in front of a
	// retransmitted payload, in bytes; RFC 4588 §4.
	originalSize = 2
)

// Config describes one stream. It needs no validation: what is out of range is
// moved into it.
type Config struct {
	SSRC    uint32
	RTXSSRC uint32     // 0: retransmissions come on SSRC itself, or not at all
	Kind    codec.Kind // of packets whose own Kind the caller left Unknown
	Layer   uint8      // simulcast layer, 0 is the smallest
	NACK    bool       // the publisher can be asked for packets again

	// CachePackets is how many sequence numbers are remembered, and so how late
	// a packet may come; rounded up to a power of two from 16 to 4096.
	// 0: 512 for video, 128 for audio.
	CachePackets int

	// Overhead is what a packet costs on the wire beside its payload: IP, UDP,
	// RTP header and SRTP tag. 0: 50 bytes.
	Overhead units.Size
}

func (c Config) withDefaults() Config {
	if c.CachePackets <= 0 {
		c.CachePackets = videoCache
		if c.Kind.Audio() {
			c.CachePackets = audioCache
		}
	}
	size := minCache
	for size < c.CachePackets && size < maxCache {
		size *= 2
	}
	c.CachePackets = size
	if c.Overhead <= 0 {
		c.Overhead = defaultOverhead
	}
	return c
}

// Verdict says what became of a packet.
type Verdict uint8

const (
	// Accepted packets are new and are to be forwarded.
	Accepted Verdict = iota
	// Duplicate packets were received before, or came as a retransmission that
	// nobody needed (Chromium probes bandwidth that way).
	Duplicate
	// TooOld packets lie outside the window: older than the cache reaches, or
	// so far away that they are believed only when more of their kind follow.
	TooOld
	// Padding packets carry no payload. On the media stream they use up a
	// sequence number: Extended is set, and whoever rewrites the stream must be
	// told that this number is dropped.
	Padding
	// Malformed packets carry a payload that cannot be one of their kind. If
	// Extended is set, their sequence number is used up as with Padding.
	Malformed
	verdicts
)

var verdictNames = [verdicts]string{"accepted", "duplicate", "too old", "padding", "malformed"}

// String names the verdict for statistics.
func (v Verdict) String() string {
	if v < verdicts {
		return verdictNames[v]
	}
	return "unknown"
}

// Stream is one incoming RTP stream. Its owner locks it.
type Stream struct {
	cfg    Config
	order  order
	window window
	gaps   gaps
	wish   wish
	report report
	meter  meter
	// keyframe is the timestamp of the newest key frame, if keyed.
	keyframe uint32
	keyed    bool
	scale    scale
	beat     beat
	stats    Stats
	rtt      time.Duration
	closed   bool
}

// New answers a stream that has received nothing.
func New(cfg Config) *Stream {
	cfg = cfg.withDefaults()
	s := &Stream{cfg: cfg, window: newWindow(cfg.CachePackets), rtt: defaultRTT}
	s.order.reach = int64(cfg.CachePackets)
	s.report.clockRate = cfg.Kind.ClockRate()
	if cfg.NACK {
		s.gaps = newGaps()
	}
	return s
}

// Receive takes one packet of the media stream, whose header fields, Payload,
// Descriptor and (if payload types of several kinds share the stream) Kind are
// filled. It fills Extended, Layer, Arrival, Info, and Kind if it is Unknown, and
// keeps a reference of its own to what it accepts.
//
// When the source restarts with other sequence numbers, the first packet that
// proves it is Accepted and Extended leaps by more than MaxDropout, which
// happens at no other time: subscribers must treat that as another source.
func (s *Stream) Receive(now time.Time, p *packet.Packet) Verdict {
	v := s.receive(now, p)
	s.stats.Verdicts[v]++
	return v
}

func (s *Stream) receive(now time.Time, p *packet.Packet) Verdict {
	p.Extended = 0
	if s.closed {
		return TooOld
	}
	if len(p.Payload) > packet.MaxSize {
		return Malformed
	}
	extended, place := s.order.place(p.Sequence, p.Timestamp, s.cfg.Kind.ClockRate())
	switch place {
	case outside:
		return TooOld
	case first:
		s.report.begin(extended)
	case restart:
		s.restart(now, extended)
	case ahead:
		s.advance(now, extended)
	case behind:
		if slot := s.window.at(extended); slot != nil {
			if slot.recovered { // the original comes after its retransmission
				slot.recovered = false
				s.report.arrived(now, extended, p.Timestamp)
			}
			return Duplicate
		}
		s.gaps.late(now, extended, s.order.highest, s.cfg.RTXSSRC == 0)
	}
	s.report.arrived(now, extended, p.Timestamp)
	s.gaps.earn()
	return s.keep(now, extended, p)
}

// ReceiveRTX takes one packet of the retransmission stream: its payload begins
// with the original sequence number (RFC 4588 §4). It restores Sequence, SSRC
// and Payload and marks the packet Recovered; PayloadType and Kind must already
// be those that the retransmission's payload type stands for ("apt").
//
// A retransmission may be ahead of the stream, since Chromium repeats the last
// packets of a burst as probes, but it never begins a stream or restarts one.
func (s *Stream) ReceiveRTX(now time.Time, p *packet.Packet) Verdict {
	v := s.receiveRTX(now, p)
	s.stats.RTX[v]++
	return v
}

func (s *Stream) receiveRTX(now time.Time, p *packet.Packet) Verdict {
	p.Extended = 0
	switch {
	case len(p.Payload) == 0:
		return Padding
	case len(p.Payload) < originalSize || len(p.Payload) > packet.MaxSize:
		return Malformed
	case s.closed || !s.order.started:
		return TooOld
	}
	p.Sequence = binary.BigEndian.Uint16(p.Payload)
	p.Payload = p.Payload[originalSize:]
	p.SSRC, p.Recovered = s.cfg.SSRC, true

	extended := s.order.nearest(p.Sequence)
	switch distance := extended - s.order.highest; {
	case distance <= -s.order.reach || distance > maxMissing:
		return TooOld
	case distance > 0:
		s.advance(now, extended)
	case s.window.at(extended) != nil:
		return Duplicate
	}
	s.stats.Recovered++
	s.gaps.answered(now, extended)
	return s.keep(now, extended, p)
}

// keep marks a sequence number as received and takes in what it carries.
func (s *Stream) keep(now time.Time, extended int64, p *packet.Packet) Verdict {
	s.gaps.clear(extended)
	if p.Kind == codec.RED { // the packets before it are within it
		for n := range codec.Redundant(p.Payload) {
			s.gaps.clear(extended - 1 - int64(n))
		}
	}
	slot := s.window.take(extended)
	slot.recovered = p.Recovered

	p.Extended, p.Layer, p.Arrival = extended, s.cfg.Layer, now
	if p.Kind == codec.Unknown {
		p.Kind = s.cfg.Kind
	}
	if len(p.Payload) == 0 {
		return Padding
	}
	info, ok := codec.Inspect(p.Kind, p.Payload, p.Descriptor, p.Marker)
	if !ok {
		return Malformed
	}
	p.Info, p.Settled = info, s.gaps.settled(extended, s.order.highest)
	needed, ok := s.scale.read(p, extended == s.order.highest)
	if !ok {
		return Malformed
	}
	s.window.hold(slot, p)
	size := units.Size(len(p.Payload)) + s.cfg.Overhead
	s.stats.Bytes += size
	if info.Keyframe && info.FrameStart {
		s.keyframe, s.keyed = p.Timestamp, true
	}
	price := size
	if s.keyed && p.Timestamp == s.keyframe {
		price = max(size/keyShare, 1)
	}
	s.meter.add(now, size, price, needed, at(p.Info.Spatial, p.Info.Temporal))
	s.beat.add(now, p.Timestamp)
	s.wish.heard()
	if info.Keyframe && info.FrameStart {
		s.stats.Keyframes++
		s.wish.satisfy()
	}
	return Accepted
}

// advance moves the head of the stream to extended and notes what was skipped.
func (s *Stream) advance(now time.Time, extended int64) {
	before := s.order.highest
	s.order.highest = extended
	s.window.advance(before, extended)
	s.gaps.leap(now, before+1, extended, s.wait())
}

// restart begins a new run of sequence numbers. The packets that it took to
// believe the new source were refused; they are asked for again.
func (s *Stream) restart(now time.Time, extended int64) {
	s.stats.Restarts++
	s.window.clear()
	s.gaps.reset()
	s.report.begin(extended)
	s.beat, s.scale = beat{}, scale{}
	s.gaps.leap(now, extended-s.order.refused, extended, s.wait())
}

// Cached answers the packet of that sequence number, or nil. The reference
// remains the stream's: take one with Retain to keep the packet beyond the lock.
func (s *Stream) Cached(sequence uint16) *packet.Packet {
	if !s.order.started {
		return nil
	}
	if slot := s.window.at(s.order.nearest(sequence)); slot != nil {
		return slot.packet
	}
	return nil
}

// Answered is the round trip to the publisher as its retransmissions tell it,
// roughly and seldom too short; 0 while none has come.
func (s *Stream) Answered() time.Duration { return s.gaps.answer }

// SetRTT tells the round-trip time to the publisher: at most 5 s count; 0 or less
// tells nothing, and what was told before or assumed goes on.
func (s *Stream) SetRTT(rtt time.Duration) {
	if rtt > 0 {
		s.rtt = min(rtt, 5*time.Second)
	}
}

// Tick drops cached packets that nobody will want any more.
func (s *Stream) Tick(now time.Time) { s.window.expire(s.order.highest, now.Add(-cacheLife)) }

// Next answers when AppendNACKs, KeyframeDue or Tick has something to do, zero
// if nothing is under way. It may be early, and in the past for "at once".
func (s *Stream) Next() time.Time {
	next := earlier(s.gaps.due, s.wish.next(s.rtt))
	if s.window.held > 0 {
		// While packets flow the ring recycles itself; one visit after the
		// stream has paused is enough.
		next = earlier(next, s.beat.last.Add(cacheLife+time.Millisecond))
	}
	return next
}

// Close gives all packets back. The stream accepts nothing afterwards.
func (s *Stream) Close() {
	s.closed = true
	s.window.clear()
	s.gaps.reset()
	s.wish = wish{}
}

// earlier answers the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

package feedback

import (
	"encoding/binary"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	formatCCFB = 11 // RFC 8888 §3.1
	// ccfbFixed is the RTCP header, the sender's SSRC and the report time stamp;
	// ccfbBlock what a stream costs before its packets, of two bytes each.
	ccfbFixed, ccfbBlock, ccfbMetric = 12, 8, 2
	// mostMetrics is the largest number of packets in a block.
	mostMetrics = 16384
	// offsetsPerSecond is the unit of arrival time offsets; those above the
	// largest say that it was longer ago, or later than the report.
	offsetsPerSecond = 1024
	offsetTooOld     = 0x1ffe
	offsetLater      = 0x1fff
	// streamHistory is how many packets of a stream are looked back on, and
	// mostStreams of how many streams; one more takes the place of the one that
	// was silent for longest.
	streamHistory = 512
	mostStreams   = 32
	// stampsPerSecond is the unit of report time stamps: the middle 32 bits of
	// an NTP time stamp (RFC 3550 §4).
	stampsPerSecond = 65536
	stampsPerTick   = 16384 // thousandths
)

// IsCCFB answers whether one RTCP packet is a congestion control feedback
// report of RFC 8888.
func IsCCFB(packet []byte) bool {
	return len(packet) >= 4 && packet[0]>>6 == 2 && packet[0]&0x1f == formatCCFB && packet[1] == typeRTPFB
}

// stream is the numbering of one RTP stream.
type stream struct {
	numbering
	ssrc uint32
	used time.Time
}

// OnStream notes a packet by its stream and RTP sequence number. ecn is the
// codepoint that it arrived with, 0 where the socket does not tell.
func (r *Recorder) OnStream(now time.Time, ssrc uint32, sequence uint16, size units.Size, ecn uint8) {
	now = r.weigh(now, size)
	s := r.stream(ssrc, sequence)
	s.used = now
	if s.note(sequence, r.stamp(now, ecn)) {
		r.urgent = true
	}
	if ecn&3 == 3 {
		r.urgent = true // congestion was experienced, RFC 3168 §5
	}
}

// stream finds a stream's numbering, or begins it.
func (r *Recorder) stream(ssrc uint32, sequence uint16) *stream {
	oldest := 0
	for i := range r.streams {
		if r.streams[i].ssrc == ssrc {
			return &r.streams[i]
		}
		if r.streams[i].used.Before(r.streams[oldest].used) {
			oldest = i
		}
	}
	if len(r.streams) < mostStreams {
		r.streams = append(r.streams, stream{ssrc: ssrc, numbering: numbering{ring: make([]arrived, streamHistory)}})
		oldest = len(r.streams) - 1
	}
	s := &r.streams[oldest]
	s.ssrc, s.pending = ssrc, false
	s.begin(sequence)
	return s
}

// appendCCFB writes a report of every stream of which something arrived, as far
// as there is room. A report time stamp is relative to the recorder's epoch.
func (r *Recorder) appendCCFB(now time.Time, dst []byte) []byte {
	begin := len(dst)
	dst = append(dst, 2<<6|formatCCFB, typeRTPFB, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.cfg.SenderSSRC)
	ticks := int64(now.Sub(r.epoch)/tick) + 1
	for i := range r.streams {
		s := &r.streams[i]
		room := (r.cfg.MaxSize - (len(dst) - begin) - 4 - ccfbBlock) / ccfbMetric &^ 1
		if !s.pending || room <= 0 {
			continue
		}
		n := min(s.highest+1-s.from, int64(room), mostMetrics)
		dst = binary.BigEndian.AppendUint32(dst, s.ssrc)
		dst = binary.BigEndian.AppendUint16(dst, uint16(s.from))
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		for q := s.from; q < s.from+n; q++ {
			dst = binary.BigEndian.AppendUint16(dst, metric(*s.at(q), ticks))
		}
		if n&1 != 0 {
			dst = append(dst, 0, 0)
		}
		s.reported(s.from + n)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(ticks*stampsPerTick/1000))
	binary.BigEndian.PutUint16(dst[begin+2:], uint16((len(dst)-begin)/4-1))
	return dst
}

// metric is what is said of one packet: received, ECN, and how long before the
// report.
func metric(a arrived, now int64) uint16 {
	if a == 0 {
		return 0
	}
	offset := min((now-a.ticks())*offsetsPerSecond*int64(tick)/int64(time.Second), offsetTooOld)
	return 1<<15 | a.ecn()<<13 | uint16(offset)
}

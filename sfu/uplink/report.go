package uplink

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	// maxLost is the largest cumulative loss that a report can hold: 24 bits,
	// signed; RFC 3550 §6.4.1.
	maxLost = 1<<23 - 1
	// maxStep bounds one difference of transit times, in seconds: what is
	// beyond it is a changed clock and not jitter.
	maxStep = 10
)

// SenderClock is the publisher's last word on what time it is.
type SenderClock struct {
	Arrival   time.Time // of the sender report, zero: there was none
	NTP       uint64    // wall clock, 32.32 fixed-point seconds since 1900
	Timestamp uint32    // the RTP timestamp of the same instant
}

// report keeps what a reception report tells (RFC 3550 §6.4.1). It counts the
// media stream only: what came by retransmission was lost.
type report struct {
	clockRate uint32
	clock     SenderClock

	base     int64 // lowest unwrapped number
	received int64

	started bool
	epoch   time.Time // arrivals are counted from here
	transit uint32    // of the last packet, in timestamp units
	jitter  uint64    // times 16; §A.8

	expectedPrior, receivedPrior int64
	fraction                     uint8 // of the last report
}

// begin starts to count anew, at a first packet.
func (r *report) begin(extended int64) {
	r.base, r.received = extended, 0
	r.expectedPrior, r.receivedPrior = 0, 0
	r.started = false
}

// arrived counts one packet of the media stream, which is no duplicate.
func (r *report) arrived(now time.Time, extended int64, timestamp uint32) {
	r.received++
	r.base = min(r.base, extended) // packets from before the first one
	if r.epoch.IsZero() {
		r.epoch = now
	}
	arrival := uint32(int64(now.Sub(r.epoch).Seconds() * float64(r.clockRate)))
	transit := arrival - timestamp
	if r.started {
		step := int64(int32(transit - r.transit))
		step = max(step, -step)
		if step < maxStep*int64(r.clockRate) {
			// §A.8: J += (|D| - J) / 16, here with J kept times 16.
			r.jitter = uint64(int64(r.jitter) + step - int64(r.jitter+8)>>4)
		}
	}
	r.transit, r.started = transit, true
}

func (r *report) expected(highest int64) int64 { return highest - r.base + 1 }

// lost is how many packets have not come so far.
func (r *report) lost(highest int64) int64 {
	return min(max(r.expected(highest)-r.received, 0), maxLost)
}

// OnSenderReport takes note of the publisher's clock: the NTP timestamp of its
// sender report, 32.32 seconds since 1900, and the RTP timestamp beside it.
func (s *Stream) OnSenderReport(now time.Time, ntp uint64, rtpTime uint32) {
	s.report.clock = SenderClock{Arrival: now, NTP: ntp, Timestamp: rtpTime}
}

// Clock answers what the last sender report said.
func (s *Stream) Clock() SenderClock { return s.report.clock }

// ReceptionReport answers the block for this stream (RFC 3550 §6.4.1) and ends
// the interval that FractionLost covers. ok is false before the first packet.
func (s *Stream) ReceptionReport(now time.Time) (block rtcp.ReceptionReport, ok bool) {
	if !s.order.started {
		return rtcp.ReceptionReport{}, false
	}
	r := &s.report
	expected := r.expected(s.order.highest)
	expectedInterval := expected - r.expectedPrior
	lostInterval := expectedInterval - (r.received - r.receivedPrior)
	r.expectedPrior, r.receivedPrior = expected, r.received
	r.fraction = 0
	if expectedInterval > 0 && lostInterval > 0 { // §A.3
		r.fraction = uint8(min(lostInterval*256/expectedInterval, 255))
	}
	block = rtcp.ReceptionReport{
		SSRC:               s.cfg.SSRC,
		FractionLost:       r.fraction,
		TotalLost:          uint32(r.lost(s.order.highest)),
		LastSequenceNumber: uint32(s.order.highest - cycle),
		Jitter:             uint32(min(r.jitter>>4, 1<<32-1)),
	}
	if clock := r.clock; !clock.Arrival.IsZero() {
		block.LastSenderReport = uint32(clock.NTP >> 16)
		delay := max(now.Sub(clock.Arrival), 0).Seconds() * 65536
		block.Delay = uint32(min(delay, 1<<32-1))
	}
	return block, true
}

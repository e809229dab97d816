package downlink

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	reportInterval = time.Second
	// firstReport is how soon after a source's first packet its clock is told,
	// so that lips and voice do not wait a second for each other.
	firstReport = 50 * time.Millisecond
)

// report is what sender reports say of a slot (RFC 3550 §6.4.1).
type report struct {
	packets, octets uint32 // of the media stream, since its beginning
	pending         bool   // something was sent since the last report
	prompt          bool   // the next one is the first of a source
}

// countForReport counts one packet that left on the slot's media stream.
func (d *Downlink) countForReport(now time.Time, s *slot, out *Outgoing) {
	r := &s.report
	r.packets++
	r.octets += uint32(len(out.Payload))
	r.pending = true
	switch {
	case r.prompt:
		r.prompt = false
		d.reportAt = earlier(d.reportAt, now.Add(firstReport))
	case d.reportAt.IsZero():
		d.reportAt = now.Add(reportInterval)
	}
}

// ReportDue says whether AppendSenderReports has something to say.
func (d *Downlink) ReportDue(now time.Time) bool { return due(now, d.reportAt) }

// AppendSenderReports appends a report for each slot that has sent since the
// last one, on the clock that now is read from: the server's. The next is due
// a second later, or sooner when a new source begins.
func (d *Downlink) AppendSenderReports(now time.Time, dst []rtcp.SenderReport) []rtcp.SenderReport {
	d.reportAt = time.Time{}
	for i := range d.slots {
		s := &d.slots[i]
		if !s.report.pending {
			continue
		}
		s.report.pending = false
		timestamp, ok := s.stream.SenderReport(now)
		if !ok {
			continue
		}
		dst = append(dst, rtcp.SenderReport{
			SSRC: s.cfg.SSRC, NTPTime: ntp(now), RTPTime: timestamp,
			PacketCount: s.report.packets, OctetCount: s.report.octets,
		})
		d.reportAt = now.Add(reportInterval)
	}
	return dst
}

// ntpEpoch is 1900 in Unix time (RFC 5905 §6).
const ntpEpoch = 2208988800

// ntp is a time in the 64-bit format of RFC 3550 §4.
func ntp(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

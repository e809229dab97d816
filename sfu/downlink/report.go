package downlink

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	reportInterval = time.Second
	// A path that carries less is told its clocks seldom, after the first times:
	// 76 bytes a second are much of a thin call, and clocks do not drift so fast.
	thinReports   = 100 * units.Kbps
	thinInterval  = 5 * time.Second
	promptReports = 3
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
		d.reportAt = now.Add(reportInterval) // the first after a silence
	}
}

// ReportDue says whether AppendSenderReports has something to say.
func (d *Downlink) ReportDue(now time.Time) bool { return due(now, d.reportAt) }

// AppendSenderReports appends a report for each slot that has sent since the
// last one, on the clock that now is read from: the server's. The next is due
// a second later, or sooner when a new source begins.
func (d *Downlink) AppendSenderReports(now time.Time, dst []rtcp.SenderReport) []rtcp.SenderReport {
	d.reportAt = time.Time{}
	next := now.Add(d.reportPause(now))
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
			SSRC: s.cfg.SSRC, NTPTime: feedback.NTP(now), RTPTime: timestamp,
			PacketCount: s.report.packets, OctetCount: s.report.octets,
		})
		d.reportAt = next
	}
	return dst
}

// reportPause is how long until sender reports are due again.
func (d *Downlink) reportPause(now time.Time) time.Duration {
	c := &d.clocks
	sent := units.Size(d.bytes - c.bytes).Over(now.Sub(c.at))
	c.at, c.bytes, c.times = now, d.bytes, min(c.times+1, promptReports)
	c.pause = thinInterval
	if c.times < promptReports || sent >= thinReports {
		c.pause = reportInterval
	}
	return c.pause
}

// interval is how far apart reports are now.
func (c *clocks) interval() time.Duration {
	if c.pause == 0 {
		return reportInterval
	}
	return c.pause
}

// clocks is when sender reports were sent last, and how much until then.
type clocks struct {
	at    time.Time
	bytes uint64
	times int
	pause time.Duration // until the next; 0 before the first
}

package downlink

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// maxRTT is the longest round trip that a receiver report is believed.
const maxRTT = 10 * time.Second

// streamFeedback reads reports by stream (RFC 8888).
type streamFeedback struct {
	decoder feedback.StreamDecoder
	sent    feedback.Sent
}

// HandleTransportFeedback is told of one congestion control report as it came,
// transport-wide or of RFC 8888: the whole RTCP packet, decrypted. What is
// malformed, of the kind that was not negotiated, or speaks of packets that
// were never sent, is ignored.
func (d *Downlink) HandleTransportFeedback(now time.Time, packet []byte) {
	var reports []bwe.PacketReport
	var err error
	if d.streams != nil {
		reports, err = d.streams.decoder.Decode(d.reports[:0], packet, &d.streams.sent)
	} else {
		reports, err = d.decoder.Decode(d.reports[:0], packet, d.sequence-1)
	}
	if err != nil || len(reports) == 0 {
		return
	}
	d.reports = reports
	d.noteLoss(now, reports)
	d.apply(now, d.bwe.OnFeedback(now, reports))
	d.noteOwed(now, reports)
}

// HandleTransportCC is HandleTransportFeedback for a report that was parsed
// already. It allocates.
func (d *Downlink) HandleTransportCC(now time.Time, fb *rtcp.TransportLayerCC) {
	if packet, err := fb.Marshal(); err == nil {
		d.HandleTransportFeedback(now, packet)
	}
}

// HandleReceptionReport is told of one report block about one of our streams.
func (d *Downlink) HandleReceptionReport(now time.Time, r rtcp.ReceptionReport) {
	s := d.slotBySSRC(r.SSRC)
	if s == nil {
		return
	}
	rtt, known := roundTripOf(now, r)
	if known {
		if d.rtt == 0 {
			d.rtt = rtt
		}
		d.rtt += (rtt - d.rtt) / 8 // RFC 6298 §2.3
	}
	if s.cfg.SSRC != r.SSRC {
		return // loss of retransmissions says nothing that loss of media does not
	}
	s.reported = true
	d.noteReport(now, s, float64(r.FractionLost)/256)
	d.apply(now, d.bwe.OnReceiverReport(now, float64(r.FractionLost)/256, rtt))
}

// roundTripOf is the round-trip time that a report block tells (RFC 3550
// §6.4.1); not known when no sender report had reached the receiver, or when
// the figures cannot be.
func roundTripOf(now time.Time, r rtcp.ReceptionReport) (time.Duration, bool) {
	if r.LastSenderReport == 0 {
		return 0, false
	}
	elapsed := uint32(feedback.NTP(now)>>16) - r.LastSenderReport
	if r.Delay > elapsed {
		return 0, false
	}
	rtt := time.Duration(elapsed-r.Delay) * time.Second >> 16
	if rtt > maxRTT {
		return 0, false
	}
	return max(rtt, time.Millisecond), true
}

// HandleREMB is told of the receiver's own estimate.
func (d *Downlink) HandleREMB(now time.Time, r units.Rate) {
	if r > 0 {
		d.apply(now, d.bwe.OnREMB(now, r))
	}
}

// HandlePLI is told that the receiver needs a key frame (RFC 4585 §6.3.1).
// Requests that come in a flood are one request.
func (d *Downlink) HandlePLI(now time.Time, mediaSSRC uint32) {
	s := d.slotBySSRC(mediaSSRC)
	if s == nil || s.cfg.Kind != Video || s.source.ID == 0 || now.Sub(s.keyframe.told) < keyframePause {
		return
	}
	s.keyframe.told = now
	if stream := s.selector.Stream(); stream >= 0 {
		d.askKeyframe(now, s, stream)
	}
	d.wantKeyframe(now, s)
}

// gate holds everything but voice back while as much is unacknowledged as the
// controller allows.
func (d *Downlink) gate() {
	d.full = d.bwe.Full()
	d.queue.Hold(d.full)
}

// apply does what the controller decided.
func (d *Downlink) apply(now time.Time, decision bwe.Decision) {
	d.gate()
	was := d.decision
	d.decision = decision
	if decision == was {
		return
	}
	if p := decision.Probe; p.ID != d.probe.id {
		d.probe = probe{id: p.ID, rate: p.Rate, chunk: max(p.Size/5, 120), asked: p.Size, left: p.Size}
	}
	d.pace(now)
	if d.recorder != nil {
		d.recorder.Decided(now, decision)
	}
	switch {
	case decision.Target < d.granted:
		d.allocateSoon(now, 0) // down does not wait
	case decision.Target != was.Target:
		d.allocateSoon(now, raiseDelay)
	}
}

// pace sets the pacer to the decision, or to the probe while it lasts.
func (d *Downlink) pace(now time.Time) {
	rate := d.decision.Pacing
	if d.probe.active() {
		rate = max(d.probe.rate, rate)
	}
	d.queue.SetRate(now, rate)
	d.queue.Fill(now, d.probe.active())
	d.settleDrops(now)
}

package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
)

// repairsVoice says whether lost packets of the slot's voice are sent again.
func (d *Downlink) repairsVoice(s *slot) bool {
	return s.cfg.NACK && !d.reliable && !d.plainVoice && d.roundTrip() < repairWithin
}

// noteLoss takes what a report says of loss.
func (d *Downlink) noteLoss(now time.Time, reports []bwe.PacketReport) {
	if !d.heard {
		d.heard, d.heardAt = true, now
		d.allocateSoon(now, 0)
	}
	got, missed, runs := 0, 0, 0
	for i := range reports {
		switch {
		case reports[i].Sequence <= d.lossTo: // told before
			continue
		case reports[i].Received:
			got++
		default:
			missed++
			if !d.losing {
				runs++
			}
		}
		d.losing = !reports[i].Received
	}
	d.lossTo = max(d.lossTo, reports[len(reports)-1].Sequence)
	if d.bwe.Stats().QueueDelay > overfull {
		return
	}
	d.loss.Note(now, float64(got), float64(missed))
}

// noteReport takes what a receiver report says of loss, where the receiver says
// nothing of each packet (RFC 3550 §6.4.1).
func (d *Downlink) noteReport(now time.Time, s *slot, fraction float64) {
	if !d.heard {
		d.heard, d.heardAt = true, now
	}
	if d.bwe.State() != bwe.Coarse || s.cfg.Kind != Audio {
		return
	}
	missed := fraction * reportWeight
	d.loss.Note(now, reportWeight-missed, missed)
}

// reportWeight is how many packets the second of a receiver report counts as.
const reportWeight = 25

// noteMissed takes that a packet had to be sent again under its own number, of
// which a report will say that it came, only late.
func (d *Downlink) noteMissed(now time.Time, path int64) {
	if path > d.lossTo && d.bwe.Stats().QueueDelay <= overfull {
		d.loss.Note(now, 0, 1)
	}
}

package downlink

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// maxRepeats is how often one packet is sent again. NACK without a bound
	// is a congestion collapse: the retransmissions fill the queue whose
	// losses are asked for again.
	maxRepeats = 3
	// maxAsked bounds the sequence numbers looked up for one NACK packet.
	maxAsked = 512
	// repairShare of the target may go into retransmissions, for they leave
	// before new video; repairBurst is how much of that may come at once.
	repairShare = 0.5
	repairBurst = 500 * time.Millisecond
	// assumedRTT is the round-trip time before one was measured.
	assumedRTT = 100 * time.Millisecond
	minRepeat  = 5 * time.Millisecond
	// staleAfter is the round trip from which on a frame that no other needs
	// comes too late when it is sent again: its successors are shown by then.
	staleAfter = 150 * time.Millisecond
)

// repair bounds retransmission.
type repair struct {
	tokens units.Size // may be spent on retransmissions; in debt when negative
	at     time.Time  // when tokens were last added
	meter  units.Size // sent since the last measurement
	rate   units.Rate // measured wire rate of retransmissions
}

// HandleNACK answers a request for retransmission (RFC 4585 §6.2.1). A packet of
// sound that is within the one after it goes again only where that is missing
// too. Each packet goes at most maxRepeats times, not again within a round trip, and all
// of them within repairShare of the estimate.
func (d *Downlink) HandleNACK(now time.Time, mediaSSRC uint32, pairs []rtcp.NackPair) {
	s := d.slotBySSRC(mediaSSRC)
	if s == nil || s.cfg.SSRC != mediaSSRC || !s.cfg.NACK {
		return
	}
	if d.reliable || s.cfg.Kind == Audio && !d.repairsVoice(s) {
		s.stats.NACKRefused += uint64(len(pairs))
		return
	}
	if d.repairs == RepairNone && s.cfg.Kind == Video {
		s.stats.NACKRefused += uint64(len(pairs))
		if len(pairs) > 0 {
			d.giveUp(now, s, pairs[0].PacketID)
		}
		return
	}
	d.earnRepair(now)
	asked := 0
	for _, pair := range pairs {
		sequence, following := pair.PacketID, uint16(pair.LostPackets)
		for {
			if asked++; asked > maxAsked {
				return
			}
			if s.sound == nil || !s.sound.repeats() || isAsked(pairs, sequence+1) {
				d.repeat(now, s, sequence)
			}
			if following == 0 {
				break
			}
			for sequence++; following&1 == 0; sequence++ {
				following >>= 1
			}
			following >>= 1
		}
	}
	d.payOwed(now, s)
}

// isAsked says whether a NACK asks for a packet.
func isAsked(pairs []rtcp.NackPair, sequence uint16) bool {
	for _, p := range pairs {
		if d := sequence - p.PacketID; d == 0 || d <= 16 && p.LostPackets>>(d-1)&1 != 0 {
			return true
		}
	}
	return false
}

// repeat queues one retransmission if it is due.
func (d *Downlink) repeat(now time.Time, s *slot, sequence uint16) {
	s.stats.NACKs++
	e := s.history.find(sequence)
	if e == nil {
		s.stats.NACKUnknown++
		d.lacks(now, s, sequence)
		return
	}
	if d.stale(s, e) {
		s.stats.NACKStale++
		return
	}
	d.owe(now, s, e)
	at := d.since(now)
	if e.times >= maxRepeats && at-e.resent >= d.roundTrip() && s.cfg.Kind == Video {
		d.giveUp(now, s, sequence) // the last repetition was lost as well
	}
	if e.times >= maxRepeats || e.times > 0 && at-e.resent < d.roundTrip() || !d.resend(now, s, e) {
		s.stats.NACKRefused++
	}
}

// resend queues one retransmission; false when as much as may be was spent on them.
func (d *Downlink) resend(now time.Time, s *slot, e *entry) bool {
	if d.repair.tokens <= 0 {
		return false
	}
	sequence := e.output.Sequence
	v := queued{output: e.output, source: e.source, purpose: filling}
	size := d.emptySize()
	if e.state == held {
		v.packet, v.purpose = e.packet.Retain(), again
		size = d.wireSize(2+len(e.packet.Payload), e.source != 0 && uint32(e.source) != s.acknowledged,
			e.packet.HasOrientation, e.packet.Descriptor)
	}
	e.times++
	e.resent = d.since(now)
	d.repair.tokens -= size
	s.moveDebt(now, sequence, waiting, 0)
	d.queue.Push(now, pacing.Item[queued]{
		Priority: pacing.Retransmission, Size: size, Flow: s.index, Frame: e.output.Timestamp, Value: v,
	})
	d.settleDrops(now)
	return true
}

// stale says whether a packet of video would come too late to be shown: a key
// frame behind it is on its way, it is of a size that is shown no more, or no other
// frame needs it and the receiver, who can tell, has gone on by the time that it
// would come.
func (d *Downlink) stale(s *slot, e *entry) bool {
	if s.cfg.Kind != Video || e.state != held {
		return false
	}
	if s.superseded(e.output.Sequence) {
		return true
	}
	i := &e.packet.Info
	tells := len(e.packet.Descriptor) > 0 && s.cfg.Extensions.Descriptor != 0 || i.HasTL0PICIDX || i.Flexible
	return s.left(e.packet) || i.Discardable && tells && d.roundTrip() >= staleAfter
}

// earnRepair adds the tokens of the time that has passed.
func (d *Downlink) earnRepair(now time.Time) {
	share := d.repairRate()
	most := max(share.In(repairBurst), 1500)
	if d.repair.at.IsZero() {
		d.repair.tokens = most
	} else if d.repair.tokens += share.In(now.Sub(d.repair.at)); d.repair.tokens > most {
		d.repair.tokens = most
	}
	d.repair.at = now
}

// repairRate is what may go into retransmissions.
func (d *Downlink) repairRate() units.Rate { return d.decision.Target.Scale(repairShare) }

// roundTrip is how long to wait before a packet is sent once more.
func (d *Downlink) roundTrip() time.Duration {
	rtt := d.rtt
	if rtt == 0 {
		rtt = d.bwe.Stats().RTT
	}
	if rtt == 0 {
		rtt = assumedRTT
	}
	return max(rtt, minRepeat)
}

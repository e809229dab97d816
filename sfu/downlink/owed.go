package downlink

import (
	"cmp"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	// owedWait is how long what is owed may wait for its share of the path: a key
	// frame of the layer that fits is there sooner than what would come after it.
	owedWait = 300 * time.Millisecond
	// owedLife is how long the fate of a repetition is waited for beyond two round
	// trips. A receiver that reports nothing of packets asks again by itself, or not.
	owedLife = time.Second
	// maxOwed bounds what is owed in one slot. More is not repaired one by one.
	maxOwed = 32
	// maxExpected bounds the packets of which a report is to come.
	maxExpected = 256
	// maxUnreported is how many packets a lost report may have told of.
	maxUnreported = 16
	// owedPause is how often it is looked whether there is room for what is owed.
	owedPause = 20 * time.Millisecond
)

// debt is a packet that the subscriber lacks, of a picture that all pictures behind
// it need.
//
// Of a picture with several spatial layers a browser asks once: as soon as the
// smallest layer of the next picture is there, it holds the stream for continuous
// and forgets its requests (Chromium's NackRequester.ClearUpTo), and yet it
// decodes whole pictures only (its FrameBuffer), so that a larger layer of a base
// picture that stays away stops everything behind it, be the larger layer sent no
// more. It asks for a key frame three seconds later. So such packets are
// owed from when they are asked for, or reported lost (a request may be lost, too),
// until they are reported to be there:
//
//	  ┌──────── thrown out of the pacer ────────┐
//	  v                                         │
//	owing ── as repair may cost so much ──> waiting ── sent ──> flying ── reported there
//	  ^                                                            │
//	  └───────────────────── reported lost ────────────────────────┘
//
// What cannot be paid within owedWait, or was lost maxRepeats times, breaks the
// stream: nothing more goes on, and a key frame is asked for.
type debt struct {
	sequence  uint16
	state     debtState
	transport int64     // its number on the path, while it is under way
	since     time.Time // since when it is in this state
}

// expected is a packet on its way of which a report will tell.
type expected struct {
	transport int64
	sequence  uint16
}

type debtState uint8

const (
	owing debtState = iota
	waiting
	flying
)

// owes says whether what a history entry holds must reach the subscriber by us
// alone.
func (s *slot) owes(e *entry) bool {
	if s.cfg.Kind != Video || e.state != held || e.packet == nil {
		return false
	}
	return vital(e.packet)
}

// vital says whether all pictures behind a packet need it, and a browser may ask
// for it only once.
func vital(p *packet.Packet) bool {
	return p.Info.Temporal == 0 && !p.Info.Discardable && layered(p)
}

// expect notes that a packet is under way for the first time.
func (s *slot) expect(transport int64, sequence uint16) {
	if len(s.expected) >= maxExpected { // reports were lost
		s.expected = slices.Delete(s.expected, 0, maxExpected/4)
	}
	s.expected = append(s.expected, expected{transport, sequence})
}

// layered says whether a packet is of a stream whose pictures have several
// spatial layers, as far as it tells itself.
func layered(p *packet.Packet) bool {
	if !p.Placement.Known() {
		return p.Kind == codec.VP9 && p.Info.Spatial > 0
	}
	for _, t := range p.Placement.Structure.Targets() {
		if t.Spatial > 0 {
			return true
		}
	}
	return false
}

// left says whether a packet only makes a picture larger that is shown smaller by
// now, and that later ones do without.
func (s *slot) left(p *packet.Packet) bool {
	current := s.selector.Current().Spatial
	return layered(p) && current >= 0 && int8(p.Info.Spatial) > current && p.Info.Temporal > 0
}

// owe remembers a request.
func (d *Downlink) owe(now time.Time, s *slot, e *entry) {
	if !s.owes(e) || s.debtOf(e.output.Sequence) != nil {
		return
	}
	if len(s.owed) >= maxOwed {
		d.breakStream(now, s, e.packet)
		return
	}
	s.owed = append(s.owed, debt{sequence: e.output.Sequence, since: now})
}

func (s *slot) debtOf(sequence uint16) *debt {
	for i := range s.owed {
		if s.owed[i].sequence == sequence {
			return &s.owed[i]
		}
	}
	return nil
}

// moveDebt notes what became of a packet that may be owed.
func (s *slot) moveDebt(now time.Time, sequence uint16, state debtState, transport int64) {
	if o := s.debtOf(sequence); o != nil {
		o.state, o.transport, o.since = state, transport, now
	}
}

// noteOwed takes what a report says of packets that are, or may be owed.
func (d *Downlink) noteOwed(now time.Time, reports []bwe.PacketReport) {
	for i := range d.slots {
		s := &d.slots[i]
		if len(s.owed) == 0 && len(s.expected) == 0 {
			continue
		}
		d.repeatUnreported(now, s, reports[0].Sequence)
		for _, r := range reports {
			d.noteExpected(now, s, r)
			j := slices.IndexFunc(s.owed, func(o debt) bool { return o.state == flying && o.transport == r.Sequence })
			switch {
			case j < 0:
			case r.Received:
				s.owed = slices.Delete(s.owed, j, j+1)
			default:
				s.owed[j].state, s.owed[j].since = owing, now
			}
		}
		for j := range s.owed { // of which the report was lost
			if o := &s.owed[j]; o.state == flying && o.transport < reports[0].Sequence {
				o.state, o.since = owing, now
			}
		}
		d.payOwed(now, s)
	}
}

// noteExpected takes what a report says of a packet that went out once.
func (d *Downlink) noteExpected(now time.Time, s *slot, r bwe.PacketReport) {
	j, found := slices.BinarySearchFunc(s.expected, r.Sequence, func(e expected, transport int64) int { return cmp.Compare(e.transport, transport) })
	if !found {
		return
	}
	sequence := s.expected[j].sequence
	s.expected = slices.Delete(s.expected, j, j+1)
	if r.Received || d.reliable || d.repairs == RepairNone {
		return
	}
	if e := s.history.find(sequence); e != nil && e.times == 0 && !s.superseded(sequence) {
		d.owe(now, s, e)
	}
}

// repeatUnreported sends again, as far as there is room at once, what a report has
// passed over that was lost itself: a request may have been lost like it. Where
// reports were away for long, that says nothing of the packets.
func (d *Downlink) repeatUnreported(now time.Time, s *slot, first int64) {
	count := 0
	for count < len(s.expected) && s.expected[count].transport < first {
		count++
	}
	if count == 0 {
		return
	}
	if count <= maxUnreported && !d.reliable && d.repairs != RepairNone {
		d.earnRepair(now)
		for _, x := range s.expected[:count] {
			e := s.history.find(x.sequence)
			if e != nil && e.times == 0 && s.owes(e) && !s.superseded(x.sequence) {
				d.resend(now, s, e)
			}
		}
	}
	s.expected = slices.Delete(s.expected, 0, count)
}

// payOwed sends what is owed as far as repair may cost, and breaks the stream
// where that is not soon enough.
func (d *Downlink) payOwed(now time.Time, s *slot) {
	s.owedAt = time.Time{}
	if len(s.owed) == 0 {
		return
	}
	d.earnRepair(now)
	s.dropPaid(now, owedLife+2*d.roundTrip())
	var behind units.Size
	for i := 0; i < len(s.owed); i++ {
		o := &s.owed[i]
		if o.state != owing {
			continue
		}
		e := s.history.find(o.sequence)
		spent := e.times >= maxRepeats || now.Sub(o.since) >= owedWait
		if !spent && d.resend(now, s, e) {
			continue
		}
		behind += d.wireSize(2+len(e.packet.Payload), false, e.packet.HasOrientation, e.packet.Descriptor)
		if spent || behind-d.repair.tokens > d.repairRate().In(owedWait) {
			d.breakStream(now, s, e.packet)
			return
		}
	}
	if behind > 0 {
		s.owedAt = now.Add(owedPause)
	} else {
		s.owedAt = now.Add(owedLife)
	}
}

// dropPaid forgets what need not be sent any more, or of which nothing was heard
// for too long.
func (s *slot) dropPaid(now time.Time, life time.Duration) {
	kept := s.owed[:0]
	for _, o := range s.owed {
		e := s.history.find(o.sequence)
		if e == nil || !s.owes(e) || s.superseded(o.sequence) || o.state != owing && now.Sub(o.since) > life {
			continue
		}
		kept = append(kept, o)
	}
	s.owed = kept
}

// breakStream ends what a subscriber cannot decode any more for want of p, and
// asks for the key frame with which it goes on.
func (d *Downlink) breakStream(now time.Time, s *slot, p *packet.Packet) {
	s.owed = s.owed[:0]
	s.owedAt = time.Time{}
	if s.selector.Stream() < 0 {
		return // a key frame is waited for
	}
	s.stats.GivenUp++
	s.selector.FrameLost(p)
	d.noticeLayer(s)
	d.wantKeyframe(now, s)
}

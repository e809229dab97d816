// Package downlink is everything one subscriber receives over one path.
//
//	Forward: layer.Decide -> rewrite -> pacing.Push
//	         voice.Push/Pop -> rewrite -> pacing.Push    for sound
//	Poll:    pacing.Pop -> retransmission history -> transport-wide number
//	Tick:    bwe.OnTick -> allocator.Allocate -> selectors
//
// It decides, for each packet that is offered to one of its slots, whether it
// is sent, when, and with which sequence number, timestamp and picture id; it
// answers retransmission requests from its own history within the same
// estimate as everything else, fills probes with padding, and divides the
// estimate among its slots.
//
// Input: packets (Forward), RTCP (Handle...), what the subscriber looks at
// (Assign, SetView, SetDataMode), measured rates (SetRates). Output: packets
// (Poll), sender reports, Events, Next.
//
// Specifications: RFC 3550 (numbering, sender reports), RFC 4585 (NACK), RFC
// 4588 (retransmission), draft-holmer-rmcat-transport-wide-cc-extensions-01.
//
// A Downlink belongs to one goroutine, the egress worker's. It holds no clock:
// when Next has come, the worker calls Tick, then Poll until it answers false,
// telling Sent after each write and before the next Poll. Events may be pending
// after any call.
package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// Downlink is one subscriber. It belongs to one goroutine.
type Downlink struct {
	slots         []slot
	overhead      units.Size
	transportWide bool
	audioLevel    bool
	plainVoice    bool
	stills        bool
	repairs       RepairMode
	recorder      Recorder
	epoch         time.Time // history counts from here
	clock         time.Time // of the last call, for what happens within the pacer

	// The path.
	bwe      *bwe.Controller
	decision bwe.Decision
	decoder  feedback.Decoder
	streams  *streamFeedback    // nil where the receiver reports transport-wide
	reports  []bwe.PacketReport // reused
	queue    *pacing.Queue[queued]
	sequence int64         // next transport-wide sequence number
	rtt      time.Duration // from receiver reports; 0 = not known yet
	reliable bool          // the path repairs loss itself
	full     bool          // as much is under way as the controller allows
	probe    probe
	padding  padding
	repair   repair

	// Voice.
	workshop voice.Workshop
	loss     voice.Loss
	lossTo   int64     // number on the path up to which it was counted
	losing   bool      // that one was lost
	heard    bool      // the receiver has reported
	heardAt  time.Time // for the first time since the path changed
	silent   time.Time // since when the path is silent; zero while it is not

	// What Poll has handed out.
	held       *packet.Packet // kept alive until the next Poll
	scratch    [2 + packet.MaxSize]byte
	descriptor [255]byte // RFC 8285 §4.3 bounds an extension to that

	// The allocation.
	mode          DataMode
	allowance     allowance
	dip           dip
	thrifty       bool      // data mode or budget bound the allocation, not the path
	wishes        uint64    // counts changes of what Wish answers
	allocateAt    time.Time // zero = nothing to do
	budget        units.Rate
	voiceWish     units.Rate // see SetVoiceWish
	granted       units.Rate
	demands       []allocator.Demand
	grants, spare []allocator.Grant

	meterAt   time.Time // when rates are measured next; zero = idle
	meteredAt time.Time // when they were measured last
	clocks    clocks
	reportAt  time.Time // when sender reports are due; zero = nothing to report

	dropped bool // the queue has dropped something since settleDrops
	events  []Event

	// Totals.
	packets, bytes, paddingBytes, failed uint64
}

// New answers a downlink with empty slots.
func New(now time.Time, cfg Config) (*Downlink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Downlink{
		slots:         make([]slot, len(cfg.Slots)),
		overhead:      cfg.Overhead,
		transportWide: cfg.TransportWide,
		audioLevel:    cfg.AudioLevel,
		plainVoice:    cfg.PlainVoice,
		stills:        cfg.Stills,
		repairs:       cfg.Repair,
		recorder:      cfg.Recorder,
		epoch:         now,
		clock:         now,
		demands:       make([]allocator.Demand, len(cfg.Slots)),
		grants:        make([]allocator.Grant, 0, len(cfg.Slots)),
		spare:         make([]allocator.Grant, 0, len(cfg.Slots)),
	}
	var err error
	if d.bwe, err = bwe.New(cfg.BWE); err != nil {
		return nil, err
	}
	if cfg.StreamFeedback {
		d.streams = &streamFeedback{}
	}
	d.decision = d.bwe.Decision()
	pace := pacing.DefaultConfig()
	pace.Rate, pace.Followers = d.decision.Pacing, followers
	pace.Flows = max(1, len(cfg.Slots))
	if d.queue, err = pacing.New(pace, d.onDrop); err != nil {
		return nil, err
	}
	random := seeded(cfg.Seed)
	for i := range d.slots {
		d.slots[i].init(i, cfg.Slots[i], &random)
	}
	return d, nil
}

// Close releases every packet. The downlink forwards nothing afterwards.
func (d *Downlink) Close() {
	for i := range d.slots {
		d.slots[i].source = Source{}
	}
	d.queue.Close()
	d.release()
	for i := range d.slots {
		s := &d.slots[i]
		s.history.clear()
		if s.sound != nil {
			s.sound.stream.Reset()
		}
		if s.lost != nil {
			s.lost.Release()
			s.lost = nil
		}
	}
	d.slots, d.demands = nil, nil
}

// Next is the earliest time at which Tick or Poll has something to do; it may
// be past. Zero means not before something else happens.
func (d *Downlink) Next() time.Time {
	next := earlier(d.queue.Next(), d.bwe.Next())
	next = earlier(next, d.allocateAt)
	next = earlier(next, d.meterAt)
	next = earlier(next, d.reportAt)
	next = earlier(next, d.paddingNext())
	for i := range d.slots {
		next = earlier(next, d.slots[i].keyframe.retryAt)
		if g := d.slots[i].protection; g != nil {
			next = earlier(next, g.due)
		}
		next = earlier(next, d.slots[i].hole.due)
		next = earlier(next, d.slots[i].owedAt)
		if s := d.slots[i].sound; s != nil {
			next = earlier(next, s.stream.Next())
		}
		next = earlier(next, d.slots[i].still.at)
	}
	return next
}

// SetOverhead changes what the wire adds to each RTP packet, for example when
// the path moves to IPv6 or into a relay.
func (d *Downlink) SetOverhead(overhead units.Size) {
	d.overhead = min(max(overhead, 0), 1000)
}

// SetReliable says whether the path itself repairs what is lost (TCP): then
// delay is the only sign of congestion, and nothing is sent again above it.
func (d *Downlink) SetReliable(now time.Time, reliable bool) {
	if d.reliable != reliable {
		d.reliable = reliable
		d.bwe.SetReliable(now, reliable)
	}
}

// RouteChanged says that packets take another path from now on.
func (d *Downlink) RouteChanged(now time.Time) {
	d.bwe.OnRouteChange(now)
	d.rtt = 0
	d.clocks = clocks{} // the round trip is to be measured soon
	if !d.reportAt.IsZero() {
		d.reportAt = earlier(d.reportAt, now.Add(reportInterval))
	}
	d.loss.Reset()
	d.heard = false
	for i := range d.slots {
		if a := d.slots[i].sound; a != nil { // as at the beginning
			a.sent, a.grown = 0, time.Time{}
		}
	}
	d.apply(now, d.bwe.Decision())
}

// slotBySSRC finds the slot that sends ssrc, or retransmits on it.
func (d *Downlink) slotBySSRC(ssrc uint32) *slot {
	if ssrc == 0 {
		return nil
	}
	for i := range d.slots {
		if s := &d.slots[i]; s.cfg.SSRC == ssrc || s.cfg.RTXSSRC == ssrc {
			return s
		}
	}
	return nil
}

// earlier is the earlier of two times; zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due says whether t has come; zero never comes.
func due(now, t time.Time) bool { return !t.IsZero() && !t.After(now) }

// seeded is a generator for initial numbers (splitmix64): they only have to
// differ from what an outsider guesses, and the seed is secret.
type seeded uint64

func (r *seeded) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

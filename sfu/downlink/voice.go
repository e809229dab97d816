package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

const (
	// assumedPayload is the payload rate of a voice that was not measured yet:
	// between what a browser sends by itself (27 to 31 kbit/s) and what it is
	// asked for.
	assumedPayload = 20 * units.Kbps
	// unheard is the longest packet time chosen for better sound before the
	// receiver has reported anything: a thin path must not be drowned by what
	// nobody knows that it carries.
	unheard = 60 * time.Millisecond
	// farVoice is the round trip from which on packets of less than unheard are
	// sent only where the path is known to carry twice as much: thin networks
	// are far.
	farVoice = 400 * time.Millisecond
	// farRate is the most that a voice is sent with on such a path before it is
	// measured, freshRate for as long as freshPath: feedback, checks and the first
	// trains go the same way meanwhile, and the thinnest way up is 20 kbit/s.
	farRate, freshRate = 24 * units.Kbps, 14 * units.Kbps
	freshPath          = 8 * time.Second
	// veryFar is the round trip of the thinnest networks, and veryFarPayload what
	// there is room for on them until they are measured.
	veryFar        = 800 * time.Millisecond
	veryFarPayload = 8 * units.Kbps
	// farShare is the share of such a path that a voice has room for: what was
	// too much is heard of late.
	farShare = 0.8
	// holdVoice is for how long voice keeps its mode on a path that is silent.
	holdVoice = 2 * time.Second
	// unheardPayload is the payload rate that there is room for until then.
	unheardPayload = 12 * units.Kbps
	// farPayload is the same where the round trip is known to be that of a thin
	// network.
	farPayload = 6 * units.Kbps
	// besidePictures is the share of the path that a voice may use well where
	// pictures are wanted.
	besidePictures = 0.35
	// repairWithin is the round trip up to which a lost packet of voice is
	// asked for: later it comes after it should have been played.
	repairWithin = 200 * time.Millisecond
	// overfull is the queue from which on loss is our own doing.
	overfull = 200 * time.Millisecond
	// heardPackets is after how many packets a listener's buffer has settled.
	heardPackets = 20
	// settleMode is how long longer packets are kept at least: a listener's
	// buffer that has just grown shrinks meanwhile, and would have to grow again.
	settleMode = 6 * time.Second
	// worthData is the impairment that a subscriber who saves data accepts for
	// fewer bytes.
	worthData = 1.2
)

// sound is what an audio slot has beside other slots.
type sound struct {
	stream   voice.Stream
	steps    []voice.Step // the ladder of the last allocation, empty without a source
	step     int          // where on it the granted mode stands
	want     voice.Mode   // the granted mode, towards which the one in force goes
	sent     int          // packets of the source
	grown    time.Time    // when packets last became longer
	overhead units.Size   // of each packet, as of that allocation
	room     units.Rate   // for payload; see VoiceStats
}

func newSound(s *slot) *sound {
	a := &sound{steps: make([]voice.Step, 0, voice.MaxSteps)}
	if c := s.negotiated(codec.Opus); c != nil {
		a.stream.SetPayloadType(c.PayloadType)
	}
	return a
}

// change begins with another source. What is known of the subscriber's path
// stays, and so does the mode until the next allocation.
func (a *sound) change() {
	a.stream.Reset()
	*a.stream.Meter() = voice.Meter{}
	a.sent = 0
}

// measure closes a measurement and says whether the voice has become so much
// dearer that the budget is to be divided anew at once.
func (a *sound) measure(at time.Time, elapsed time.Duration, budget units.Rate) bool {
	was := a.rate()
	a.stream.Meter().Take(elapsed)
	if a.sent > heardPackets {
		a.approach(at, budget)
	}
	now := a.rate()
	return now > was+was/8
}

// shape is what the source costs, as measured or assumed.
func (a *sound) shape(overhead units.Size) voice.Shape {
	m := a.stream.Meter()
	shape := voice.Shape{Payload: m.Rate(), Published: m.Packet(), Overhead: overhead}
	if shape.Payload == 0 {
		shape.Payload = assumedPayload
	}
	return shape
}

// duty is the share of time in which the source sends.
func (a *sound) duty() float64 {
	if m := a.stream.Meter(); m.Rate() > 0 {
		return m.Duty()
	}
	return 1 // it has just begun
}

// rate is what the voice costs on the wire in its mode, with its silence.
func (a *sound) rate() units.Rate {
	if len(a.steps) == 0 {
		return 0
	}
	return a.stream.Mode().Rate(a.shape(a.overhead)).Scale(a.duty())
}

// repeats says whether each packet holds a copy of the one before it.
func (a *sound) repeats() bool { return a.stream.Mode().Redundancy > 0 }

func (a *sound) stats() VoiceStats {
	m := a.stream.Meter()
	if len(a.steps) == 0 {
		return VoiceStats{Stats: a.stream.Stats()}
	}
	return VoiceStats{
		Mode: a.stream.Mode(), Rate: a.rate(), Payload: m.Rate(), Room: a.room, Duty: m.Duty(),
		Published: m.Packet(), Bandwidth: m.Bandwidth(), Stats: a.stream.Stats(),
	}
}

// voiceStats is stats, and what the path makes of it.
func (d *Downlink) voiceStats(s *slot) VoiceStats {
	v := s.sound.stats()
	v.Lost, v.Burst, v.Wait = d.conditions(s).Heard(v.Mode)
	return v
}

// forwardVoice passes sound on in the slot's voice mode.
func (d *Downlink) forwardVoice(now time.Time, s *slot, p *packet.Packet) Verdict {
	s.sound.stream.Push(now, &d.workshop, p)
	return d.sendVoice(now, s, p)
}

// Hold offers one packet of a source of sound while the path is not open yet: the newest
// are kept for Begin. The caller keeps its reference.
func (d *Downlink) Hold(index int, p *packet.Packet) {
	if s := d.slot(index); s != nil && s.sound != nil && s.source.ID != 0 {
		s.sound.stream.Hold(p)
	}
}

// Begin sends what is held of sound: the path is open. Where the next of it comes within
// its packet's time, padding waits that long: 300 bytes last 120 ms on the thinnest
// way up, and the first word would be behind them. Call it once, before the first
// Forward on the open path.
func (d *Downlink) Begin(now time.Time) {
	d.clock = now
	for i := range d.slots {
		if s := &d.slots[i]; s.sound != nil {
			if s.sound.stream.Begin(now, &d.workshop) {
				d.padding.from = now.Add(opuspkt.MaxDuration)
			}
			d.sendVoice(now, s, nil)
		}
	}
}

// tickVoice sends what has waited long enough for more.
func (d *Downlink) tickVoice(now time.Time, s *slot) {
	if s.sound != nil && due(now, s.sound.stream.Next()) {
		s.sound.stream.Tick(now, &d.workshop)
		d.sendVoice(now, s, nil)
	}
}

// sendVoice numbers and queues what the voice mode has made, and answers what
// became of the packet that was offered.
func (d *Downlink) sendVoice(now time.Time, s *slot, offered *packet.Packet) Verdict {
	verdict := Forwarded
	for out, more := s.sound.stream.Pop(); more; out, more = s.sound.stream.Pop() {
		p, v := out.Packet, Forwarded
		switch {
		case !out.Skip:
			v = d.numberVoice(now, s, p)
		case len(p.Payload) == 0:
			v = DroppedEmpty
			fallthrough
		default:
			d.skip(now, s, p)
		}
		if p == offered {
			verdict = v
		}
		p.Release()
	}
	return verdict
}

// numberVoice gives one packet its place in the slot's stream and queues it.
func (d *Downlink) numberVoice(now time.Time, s *slot, p *packet.Packet) Verdict {
	arrival := arrivalOf(now, p)
	if p.SSRC != s.input {
		s.stream.Switch(arrival, p)
		s.input = p.SSRC
	}
	output, ok := s.stream.Rewrite(arrival, p)
	if !ok {
		return DroppedLate
	}
	s.sound.sent++
	d.padding.from = time.Time{}
	return d.push(now, s, p, output, pacing.Voice)
}

// thinPath is the budget below which bits are scarce even where the best voice fits:
// a microphone in long packets at its least leaves no better one.
const thinPath = 17 * units.Kbps

// obey puts a grant into force. Silence is left out where bits are scarce.
func (a *sound) obey(now time.Time, g allocator.Grant, budget units.Rate, scarce bool) {
	if !g.Active() || int(g.Spatial) >= len(a.steps) {
		return
	}
	a.step = int(g.Spatial)
	a.want = a.steps[a.step].Mode
	a.approach(now, budget)
	a.stream.SetQuiet(scarce || budget < thinPath || a.step < len(a.steps)-1)
}

// approach goes towards the mode that is granted. Longer packets come later by
// as much: a listener whose buffer is short hears that, unless it grows by one
// step of 20 ms at a time. Where the mode in force does not fit any more, or
// nothing was heard yet, it does not wait.
//
// Shorter packets wait until the last change has settled: every return to long
// ones is heard once more.
func (a *sound) approach(now time.Time, budget units.Rate) {
	published := max(a.stream.Meter().Packet(), 20*time.Millisecond)
	held := max(a.stream.Mode().Packet, published)
	next := a.want
	if held > max(a.want.Packet, published) && !a.grown.IsZero() && now.Sub(a.grown) < settleMode &&
		a.stream.Mode().Redundancy == a.want.Redundancy {
		return
	}
	if a.sent > heardPackets && a.want.Packet > held {
		a.grown = now
	}
	if a.sent > heardPackets && a.want.Packet > held && a.stream.Mode().Rate(a.shape(a.overhead)) <= budget {
		for _, packet := range [...]time.Duration{40 * time.Millisecond, 60 * time.Millisecond} {
			if packet > held && packet < a.want.Packet && packet%published == 0 {
				next.Packet = packet
				break
			}
		}
	}
	a.stream.SetMode(next)
}

// voiceLoss is the share that redundancy is decided by: none where the path repairs
// itself, for what is missing there comes late with everything after it.
func (d *Downlink) voiceLoss() float64 {
	if d.reliable {
		return 0
	}
	return d.loss.Share()
}

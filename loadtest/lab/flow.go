package lab

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// reportHeaders is what a report weighs beyond its RTCP bytes: IPv4, UDP,
	// the SRTCP index and a tag of 10 bytes.
	reportHeaders units.Size = 20 + 8 + 4 + 10
	// rtpClock is that of time stamps.
	rtpClock = 90000
	// voiceFloor is the ladder's base where a flow has no voice.
	voiceFloor = 16 * units.Kbps
	// wishes is what a flow without a limit says it could use.
	wishes = 20 * units.Mbps
	// numbering is what of headers a transport-wide number takes.
	numbering = 8
	// paddingSize is a packet of nothing but padding: RFC 3550 §5.1 allows 255
	// bytes of it.
	paddingSize = 255 + headers
)

// flow is one media flow: sender, path and receiver.
type flow struct {
	world *world
	spec  Flow
	meter *meter

	// The sender.
	controller *bwe.Controller
	pacer      *pacing.Queue[unit]
	decoder    feedback.Decoder
	streams    feedback.StreamDecoder
	sent       feedback.Sent
	numbers    [again + 1]uint16 // next RTP sequence number of each class
	reports    []bwe.PacketReport
	picture    source   // nil without video
	speech     *speaker // nil without voice
	out        *route
	sequence   int64
	probe      uint16
	probed     units.Size
	ladder     bwe.Ladder
	wakeAt     time.Duration
	resend     *resender // nil without repair

	// The receiver.
	recorder *feedback.Recorder
	back     *route
	reportAt time.Duration
	asker    *asker // nil without repair
	askAt    time.Duration
}

// unit is what waits in a pacer.
type unit struct {
	made time.Duration // when its frame was
	// again marks a retransmission, of a packet first sent then.
	again    bool
	of       class
	osn      uint16
	original int64
	first    time.Duration
}

// receiver is the far end of a flow: its events are not the sender's.
type receiver struct{ *flow }

func newFlow(w *world, spec Flow, seed uint64, out, back []*link.Link, m *meter) (*flow, error) {
	cfg := bwe.DefaultConfig()
	if spec.Initial > 0 {
		cfg.Initial = spec.Initial
	}
	cfg.Weight = spec.weight()
	controller, err := bwe.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("lab: controller: %w", err)
	}
	pacer, err := pacing.New[unit](pacing.DefaultConfig(), nil)
	if err != nil {
		return nil, fmt.Errorf("lab: pacer: %w", err)
	}
	recorder, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		return nil, fmt.Errorf("lab: recorder: %w", err)
	}
	f := &flow{
		world: w, spec: spec, meter: m, controller: controller, pacer: pacer, recorder: recorder,
		wakeAt: never, reportAt: never, askAt: never,
	}
	if spec.Repair > 0 {
		f.resend, f.asker = &resender{room: spec.Repair}, newAsker(spec.Repair)
		m.repair = &repair{room: spec.Repair, gone: map[int64]time.Duration{}}
	}
	f.out = &route{world: w, links: carriers(out), extra: spec.Extra, to: receiver{f}, dropped: m.dropped}
	f.back = &route{world: w, links: carriers(back), extra: spec.Extra, to: f}
	// Where in a frame a run begins is left to chance, so that runs without
	// other chance differ.
	random := rand.New(rand.NewPCG(seed, 0x7068617365)) // "phase"
	begin := spec.Start + time.Duration(random.Int64N(int64(33*time.Millisecond)))
	switch {
	case spec.Media.Perfect:
		f.picture = &perfect{due: begin}
	case spec.Media.Encoder:
		f.picture = newEncoder(seed, begin)
	}
	if spec.Media.Voice > 0 {
		f.speech = newSpeaker(spec.Media, seed, begin)
	}
	w.at(spec.Start, f, wake)
	return f, nil
}

// act is the sender's share of what happens.
func (f *flow) act(now time.Duration, e *event) {
	switch e.kind {
	case wake:
		if now != f.wakeAt && now != f.spec.Start {
			return // planned anew since
		}
	case arrival:
		if e.p.class == request {
			f.onRequest(now, e.p.data)
			break
		}
		var err error
		if f.spec.Reports == ByStream {
			f.reports, err = f.streams.Decode(f.reports[:0], e.p.data, &f.sent)
		} else {
			f.reports, err = f.decoder.Decode(f.reports[:0], e.p.data, f.sequence-1)
		}
		if err != nil {
			f.meter.refused++
			return
		}
		f.controller.OnFeedback(epoch.Add(now), f.reports)
	}
	f.step(now)
}

// step does what is due at the sender and plans the next step.
func (f *flow) step(now time.Duration) {
	clock := epoch.Add(now)
	if n := f.controller.Next(); !n.IsZero() && !n.After(clock) {
		f.controller.OnTick(clock)
	}
	f.wish(now)
	f.produce(now)
	f.transmit(now)
	f.meter.target(now, f.controller.Decision().Target)
	f.plan(now)
}

// wish tells the controller what could be used.
func (f *flow) wish(now time.Duration) {
	m := f.spec.Media
	most := m.Most
	if m.Until > 0 && now < m.Until {
		most = m.Held
	}
	base := m.wireVoice()
	l := bwe.Ladder{Base: max(f.speech.thinnest(), voiceFloor)}
	switch {
	case !f.spec.sends(now):
		l = bwe.Ladder{}
	case f.picture == nil:
		l.Next, l.Full = base, base
	case most > 0:
		l.Next, l.Full = most+base, most+base
	default:
		l.Next, l.Full = wishes, wishes
	}
	if l != f.ladder {
		f.ladder = l
		f.controller.SetLadder(epoch.Add(now), l)
	}
}

// produce lets the sources make what is due.
func (f *flow) produce(now time.Duration) {
	clock := epoch.Add(now)
	out := func(c class, size units.Size, frame uint32, key bool) {
		if !f.spec.sends(now) {
			return
		}
		p := pacing.Video
		if c == voice {
			p = pacing.Voice
		}
		if f.spec.Reports == ByStream && (c == voice || !f.spec.Media.Perfect) {
			size -= numbering // a perfect encoder fills the rate all the same
		}
		f.pacer.Push(clock, pacing.Item[unit]{Priority: p, Size: size, Flow: int(p), Frame: frame, Keyframe: key, Value: unit{made: now}})
	}
	if f.speech != nil {
		f.speech.poll(now, f.controller.Decision().Target, out)
	}
	if f.picture != nil {
		f.picture.poll(now, f.videoRate(now), out)
	}
}

// videoRate is what of the target is video's.
func (f *flow) videoRate(now time.Duration) units.Rate {
	m := f.spec.Media
	target := f.controller.Decision().Target
	if f.resend != nil {
		target -= f.resend.rate(now)
	}
	rate := max(0, target-f.speech.wire(), m.Least)
	if m.Most > 0 {
		rate = min(rate, m.Most)
	}
	if m.Until > 0 && now < m.Until {
		rate = min(rate, m.Held)
	}
	return rate
}

// transmit sends what the pacer lets out, and padding where a probe wants it.
func (f *flow) transmit(now time.Duration) {
	clock := epoch.Add(now)
	for {
		d := f.controller.Decision()
		f.pacer.SetRate(clock, d.Pacing)
		f.pacer.Hold(f.controller.Full())
		f.pad(clock, d.Probe)
		it, ok := f.pacer.Pop(clock)
		if !ok {
			return
		}
		c, k := video, bwe.Video
		switch it.Priority {
		case pacing.Voice:
			c, k = voice, bwe.Voice
		case pacing.Retransmission:
			if !f.resend.inTime(now, it.Value.first) {
				continue // it waited too long
			}
			c, k = again, bwe.Retransmission
			f.resend.noteSpent(now, it.Size)
		case pacing.Padding:
			c, k = padding, bwe.Padding
		}
		id := d.Probe.ID
		if id != 0 {
			f.probed += it.Size
		}
		f.controller.OnSent(clock, bwe.SentPacket{
			Sequence: f.sequence, Size: it.Size, Kind: k, Probe: id, AppLimited: id == 0 && f.pacer.Len() == 0,
		})
		p := packet{class: c, size: it.Size, number: f.sequence, sent: now, made: it.Value.made, rtp: f.numbers[c], ect: f.spec.Reports == ByStream}
		p.of, p.osn, p.original = it.Value.of, it.Value.osn, it.Value.original
		if f.spec.Reports == ByStream {
			f.sent.Note(uint32(c)+1, p.rtp, f.sequence)
		}
		f.numbers[c]++
		f.sequence++
		f.meter.sent(&p)
		if f.resend != nil && c < padding {
			f.resend.keep(&p)
		}
		f.out.send(p)
	}
}

// pad queues one packet of padding when a probe wants more than there is.
func (f *flow) pad(clock time.Time, p bwe.Probe) {
	if p.ID != f.probe {
		f.probe, f.probed = p.ID, 0
	}
	if p.ID == 0 || f.pacer.Len() > 0 || f.probed >= p.Size || f.controller.Full() {
		return
	}
	// Five packets or more: their spacing is what is measured.
	size := min(max(p.Size/5, 100), paddingSize)
	f.pacer.Push(clock, pacing.Item[unit]{Priority: pacing.Padding, Size: size})
}

// ecn is the codepoint that the packet arrives with (RFC 3168 §5).
func (p *packet) ecn() uint8 {
	switch {
	case p.marked:
		return 3
	case p.ect:
		return 2
	}
	return 0
}

// plan sets the sender's next wake-up.
func (f *flow) plan(now time.Duration) {
	next := never
	consider := func(t time.Time) {
		if !t.IsZero() {
			next = min(next, max(t.Sub(epoch), now))
		}
	}
	consider(f.pacer.Next())
	consider(f.controller.Next())
	if f.speech != nil {
		next = min(next, f.speech.next())
	}
	if f.picture != nil {
		next = min(next, f.picture.next())
	}
	// What is due at this very instant was done; what is left waits for the
	// smallest step of time.
	next = max(next, now+time.Nanosecond)
	if next != f.wakeAt {
		f.wakeAt = next
		if next < never {
			f.world.at(next, f, wake)
		}
	}
}

// act is the receiver's share of what happens.
func (r receiver) act(now time.Duration, e *event) {
	f := r.flow
	clock := epoch.Add(now)
	switch e.kind {
	case arrival:
		f.meter.arrived(now, &e.p)
		if f.spec.Reports == ByStream {
			f.recorder.OnStream(clock, uint32(e.p.class)+1, e.p.rtp, e.p.size, e.p.ecn())
		} else {
			f.recorder.OnArrival(clock, uint16(e.p.number), e.p.size)
		}
		if c := e.p.class; c < padding {
			f.recorder.OnMedia(clock, uint32(c)+1, uint32(e.p.made*rtpClock/time.Second), rtpClock)
		}
		if f.asker != nil {
			f.asker.arrived(now, &e.p)
		}
	case ask:
		if now != f.askAt {
			return
		}
		f.askAt = never
		r.request(now)
	case report:
		if now != f.reportAt {
			return
		}
		f.reportAt = never
		for more := f.recorder.Due(clock); more; {
			var data []byte
			data, more = f.recorder.Build(clock, nil)
			if len(data) == 0 {
				break
			}
			size := units.Size(len(data)) + reportHeaders
			f.meter.reported(size)
			f.back.send(packet{class: feedbackReport, size: size, sent: now, data: data})
		}
	}
	if n := f.recorder.Next(); !n.IsZero() {
		if at := max(n.Sub(epoch), now+1); at != f.reportAt {
			f.reportAt = at
			f.world.at(at, r, report)
		}
	}
	if f.asker != nil {
		r.planRequest(now)
	}
}

package bwe_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// source says what video rate is offered under a target; voice is apart.
type source func(at time.Duration, target units.Rate) units.Rate

// saturating offers all that is allowed, as a perfect encoder does.
func saturating(_ time.Duration, target units.Rate) units.Rate { return target }

// layers offers the highest of a few fixed rates that fits, as an SFU does.
func layers(rates ...units.Rate) source {
	return func(_ time.Duration, target units.Rate) units.Rate {
		var best units.Rate
		for _, r := range rates {
			if r <= target {
				best = r
			}
		}
		return best
	}
}

const (
	voiceSize  = 110
	voiceEvery = 20 * time.Millisecond
	voiceRate  = units.Rate(voiceSize * 8 * 50)
	frameEvery = 33 * time.Millisecond
)

type arriving struct {
	at   time.Duration
	seq  uint16
	size units.Size
	made time.Duration // its frame; 0 = padding
	flow uint32
}

type report struct {
	at   time.Duration
	data []byte
}

// path is a whole sender, link and receiver in virtual time.
type path struct {
	t        testing.TB
	bwe      *bwe.Controller
	pacer    *pacing.Queue[time.Duration]
	link     *link
	back     time.Duration // way of reports
	source   source
	noVoice  bool
	noPads   bool // nothing can be padded
	asks     bool // Decision.Padding is sent, as probes are
	owed     float64
	tamper   func(now time.Duration, reports []bwe.PacketReport) [][]bwe.PacketReport
	recorder *feedback.Recorder
	decoder  feedback.Decoder

	now      time.Duration
	jump     time.Duration // by which the controller's clock was set
	sequence int64
	frame    uint32
	nextV    time.Duration
	nextA    time.Duration
	carry    float64
	flight   []arriving
	reports  []report
	buffer   []bwe.PacketReport
	every    func(p *path, d bwe.Decision) // once a millisecond
	targets  []units.Rate                  // each 10 ms
	states   map[bwe.State]int
	visited  []bwe.State // in order
	padding  units.Size
	got      units.Size // that arrived
	probed   units.Size
	probeID  uint16
	cluster  units.Size // packets a probe is sent in
}

var epoch = time.Unix(1_700_000_000, 0)

func newPath(t testing.TB, l *link, s source, edit func(*bwe.Config)) *path {
	t.Helper()
	cfg := bwe.DefaultConfig()
	if edit != nil {
		edit(&cfg)
	}
	c, err := bwe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q, err := pacing.New[time.Duration](pacing.DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		t.Fatal(err)
	}
	if l.random == nil {
		l.random = rand.New(rand.NewPCG(1, 2))
	}
	return &path{t: t, bwe: c, pacer: q, link: l, back: l.delay, source: s, recorder: r, states: map[bwe.State]int{}, cluster: 5}
}

func steady(r units.Rate) func(time.Duration) units.Rate {
	return func(time.Duration) units.Rate { return r }
}

func (p *path) clock(at time.Duration) time.Time { return epoch.Add(at) }

// told is what the controller takes the time for.
func (p *path) told() time.Time { return p.clock(p.now).Add(p.jump) }

// run lets the call go on until a time, a millisecond a step.
func (p *path) run(until time.Duration) {
	for p.now < until {
		p.pass()
	}
}

// pass lets one millisecond of the call go by.
func (p *path) pass() {
	p.receive()
	d := p.step()
	p.produce(d)
	p.transmit(d)
	if p.now%(10*time.Millisecond) == 0 {
		p.targets = append(p.targets, d.Target)
	}
	p.states[d.State]++
	if n := len(p.visited); n == 0 || p.visited[n-1] != d.State {
		p.visited = append(p.visited, d.State)
	}
	if p.every != nil {
		p.every(p, d)
	}
	p.now += time.Millisecond
}

// receive hands over what arrived and sends reports back.
func (p *path) receive() {
	n := 0
	for ; n < len(p.flight) && p.flight[n].at <= p.now; n++ {
		a := p.flight[n]
		p.recorder.OnArrival(p.clock(a.at), a.seq, a.size)
		p.got += a.size
		if a.made > 0 {
			p.recorder.OnMedia(p.clock(a.at), a.flow, uint32(a.made*90/time.Millisecond), 90000)
		}
	}
	p.flight = p.flight[n:]
	if p.recorder.Due(p.clock(p.now)) {
		for more := true; more; {
			var b []byte
			b, more = p.recorder.Build(p.clock(p.now), nil)
			p.reports = append(p.reports, report{p.now + p.back, b})
		}
	}
}

// step lets the controller see reports and time.
func (p *path) step() bwe.Decision {
	for len(p.reports) > 0 && p.reports[0].at <= p.now {
		var err error
		p.buffer, err = p.decoder.Decode(p.buffer[:0], p.reports[0].data, p.sequence-1)
		if err != nil {
			p.t.Fatal(err)
		}
		p.reports = p.reports[1:]
		if p.tamper == nil {
			p.bwe.OnFeedback(p.told(), p.buffer)
			continue
		}
		for _, reports := range p.tamper(p.now, p.buffer) {
			p.bwe.OnFeedback(p.told(), reports)
		}
	}
	if n := p.bwe.Next(); !n.IsZero() && !n.After(p.told()) {
		p.bwe.OnTick(p.told())
		if n := p.bwe.Next(); !n.IsZero() && !n.After(p.told()) {
			p.t.Fatalf("at %v: Next is %v after a tick, state %v", p.now, n.Sub(epoch), p.bwe.State())
		}
	}
	return p.bwe.Decision()
}

// produce makes voice and video as the target allows.
func (p *path) produce(d bwe.Decision) {
	now := p.clock(p.now)
	var voice units.Rate
	if !p.noVoice {
		voice = voiceRate
		for ; p.nextA <= p.now; p.nextA += voiceEvery {
			p.pacer.Push(now, pacing.Item[time.Duration]{Priority: pacing.Voice, Size: voiceSize, Flow: 1, Value: p.now})
		}
	}
	for ; p.nextV <= p.now; p.nextV += frameEvery {
		p.frame++
		rate := p.source(p.now, max(0, d.Target-voice))
		p.carry += float64(rate) / 8 * frameEvery.Seconds()
		for p.carry >= 200 {
			size := min(p.carry, 1200)
			if p.carry < 1200 && rate < 300*units.Kbps && size < 600 {
				break // thin video is not cut into slivers
			}
			p.carry -= size
			p.pacer.Push(now, pacing.Item[time.Duration]{Priority: pacing.Video, Size: units.Size(size), Frame: p.frame, Value: p.now})
		}
	}
	if p.owed += float64(d.Padding) / 8 * time.Millisecond.Seconds(); d.Padding == 0 || !p.asks {
		p.owed = 0
	}
	if p.owed >= 300 && p.pacer.Len() == 0 {
		p.owed -= 300
		p.padding += 300
		p.pacer.Push(now, pacing.Item[time.Duration]{Priority: pacing.Padding, Size: 300})
	}
	if d.Probe.ID != 0 && !p.noPads {
		if d.Probe.ID != p.probeID {
			p.probeID, p.probed = d.Probe.ID, 0
		}
		for p.pacer.Len() == 0 && p.probed < d.Probe.Size {
			size := min(max(d.Probe.Size/p.cluster, 100), 1200)
			p.probed += size
			p.padding += size
			p.pacer.Push(now, pacing.Item[time.Duration]{Priority: pacing.Padding, Size: size})
		}
	}
}

// transmit sends what the pacer lets out.
func (p *path) transmit(d bwe.Decision) {
	now := p.clock(p.now)
	p.pacer.SetRate(now, d.Pacing)
	for {
		p.pacer.Hold(p.bwe.Full())
		it, ok := p.pacer.Pop(now)
		if !ok {
			return
		}
		kind := bwe.Video
		switch it.Priority {
		case pacing.Voice:
			kind = bwe.Voice
		case pacing.Padding:
			kind = bwe.Padding
		}
		p.bwe.OnSent(p.told(), bwe.SentPacket{
			Sequence: p.sequence, Size: it.Size, Kind: kind,
			Probe: p.bwe.Decision().Probe.ID, AppLimited: p.pacer.Len() == 0,
		})
		if at, ok := p.link.send(p.now, it.Size); ok {
			p.flight = append(p.flight, arriving{at, uint16(p.sequence), it.Size, it.Value, uint32(it.Flow) + 1})
		}
		p.sequence++
	}
}

// measureFrom forgets what was measured until now.
func (p *path) measureFrom() {
	p.link.from = p.now
	p.link.waits = p.link.waits[:0]
	p.link.deliver, p.link.dropped, p.link.offered = 0, 0, 0
}

// utilisation is delivered over capacity since measureFrom, in per cent.
func (p *path) utilisation() float64 {
	var capacity float64
	for at := p.link.from; at < p.now; at += 10 * time.Millisecond {
		capacity += float64(p.link.rate(at)) * 0.01 / 8
	}
	return 100 * float64(p.link.deliver) / capacity
}

// queue is a percentile of the wait in the bottleneck since measureFrom.
func (p *path) queue(percentile float64) time.Duration {
	if len(p.link.waits) == 0 {
		return 0
	}
	slices.Sort(p.link.waits)
	return p.link.waits[int(percentile/100*float64(len(p.link.waits)-1))]
}

// dropped is the share of packets that did not fit, in per cent.
func (p *path) dropped() float64 {
	return 100 * float64(p.link.dropped) / float64(max(1, p.link.offered))
}

// reached answers when the target first was at least r after a time.
func (p *path) reached(after time.Duration, r units.Rate) time.Duration {
	for i := int(after / (10 * time.Millisecond)); i < len(p.targets); i++ {
		if p.targets[i] >= r {
			return time.Duration(i)*10*time.Millisecond - after
		}
	}
	return time.Hour
}

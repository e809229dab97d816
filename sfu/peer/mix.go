package peer

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/mix"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// mixInbox bounds what waits for a mixer: more than a second of all its inputs.
const mixInbox = 1024

// Mix is one room's mixer: a goroutine that decodes the voices of some tracks
// and fills tracks of its own with mixes and thinner copies of them. Slots carry
// these as they carry any other. It costs nothing while it has no output.
//
//	Track.fanOut -> Mix.put -> mix.Mixer -> own Track.fanOut -> worker
//
// Set and Close are called by one goroutine, the room's.
type Mix struct {
	media *Media
	inbox *mailbox.Box[mixItem]
	quit  chan struct{}
	done  chan struct{}

	// Of the room's goroutine.
	inputs  []*Track
	outputs map[mix.OutputConfig]*Track

	// Of the mixer's own.
	mixer   *mix.Mixer
	windows map[*Track]*red.Window // what of an input has arrived, if it comes as RED
	streams map[*mix.Output]*mixed
	making  map[mix.OutputConfig]*mix.Output
	frames  []red.Frame
}

// mixItem is a packet of an input, or something to do.
type mixItem struct {
	track  *Track
	packet *packet.Packet
	do     func()
}

// mixed is the stream that an output becomes.
type mixed struct {
	track    *Track
	ssrc     uint32
	extended int64
}

// NewMix starts a mixer without inputs and outputs. The error is
// opus.ErrUnavailable where this program has no codec.
func (m *Media) NewMix() (*Mix, error) {
	mixer, err := mix.New(mix.DefaultConfig())
	if err != nil {
		return nil, err
	}
	x := &Mix{
		media: m, inbox: mailbox.New[mixItem](mixInbox), quit: make(chan struct{}), done: make(chan struct{}),
		outputs: make(map[mix.OutputConfig]*Track),
		mixer:   mixer,
		windows: make(map[*Track]*red.Window),
		streams: make(map[*mix.Output]*mixed),
		making:  make(map[mix.OutputConfig]*mix.Output),
	}
	m.counts.mixes.Add(1)
	go x.run()
	return x, nil
}

// Set says which tracks go in and what comes out, all of it each time, and
// answers a track for each output, the same one as before for the same output.
// Sources in outputs are the tracks' ids. What is out of bounds
// (mix.MaxInputs, mix.MaxOutputs, mix.OutputConfig) makes no sound.
func (x *Mix) Set(inputs []*Track, outputs []mix.OutputConfig) []*Track {
	for _, t := range x.inputs {
		if !slices.Contains(inputs, t) {
			t.mix.CompareAndSwap(x, nil)
			x.post(func() { x.mixer.RemoveInput(t.ID); delete(x.windows, t) })
		}
	}
	for _, t := range inputs {
		if !slices.Contains(x.inputs, t) {
			x.post(func() {
				if x.mixer.AddInput(t.ID) == nil {
					x.windows[t] = &red.Window{}
				}
			})
			t.mix.Store(x)
		}
	}
	x.inputs = slices.Clone(inputs)

	tracks := make([]*Track, len(outputs))
	for c := range x.outputs {
		if !slices.Contains(outputs, c) {
			delete(x.outputs, c)
			x.post(func() { x.remove(c) })
		}
	}
	for i, c := range outputs {
		if x.outputs[c] == nil {
			t := &Track{TrackConfig: TrackConfig{ID: c.Only}, workers: x.media.workers}
			t.kind.Store(uint32(codec.Opus))
			x.outputs[c] = t
			x.post(func() { x.add(c, t) })
		}
		tracks[i] = x.outputs[c]
	}
	return tracks
}

// Close ends the mixer and waits for its goroutine. Nothing comes out afterwards.
func (x *Mix) Close() {
	x.Set(nil, nil)
	close(x.quit)
	<-x.done
	x.media.counts.mixes.Add(-1)
}

func (x *Mix) post(do func()) { x.inbox.PutUrgent(mixItem{do: do}) }

// put hands over a packet of an input; from any goroutine.
func (x *Mix) put(t *Track, p *packet.Packet) {
	p.Retain()
	if !x.inbox.Put(mixItem{track: t, packet: p}) {
		p.Release()
		x.media.counts.overload.Add(1)
	}
}

// add and remove run on the mixer's goroutine, as everything below.
func (x *Mix) add(c mix.OutputConfig, t *Track) {
	o, err := x.mixer.AddOutput(c)
	if err != nil {
		x.media.cfg.Logger.Error("a mix was not made", "error", err)
		return
	}
	x.making[c] = o
	x.streams[o] = &mixed{track: t, ssrc: rand.Uint32(), extended: int64(rand.N(1 << 14))}
	x.media.counts.mixOutputs.Add(1)
}

func (x *Mix) remove(c mix.OutputConfig) {
	if o := x.making[c]; o != nil {
		x.mixer.RemoveOutput(o)
		delete(x.making, c)
		delete(x.streams, o)
		x.media.counts.mixOutputs.Add(-1)
	}
}

func (x *Mix) run() {
	defer close(x.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		quit := false
		select {
		case <-x.inbox.Wake:
		case <-timer.C:
		case <-x.quit:
			quit = true
			x.inbox.Close()
		}
		now := time.Now()
		for _, it := range x.inbox.Take() {
			x.handle(now, it)
		}
		if quit {
			return
		}
		if x.mixer.Outputs() == 0 {
			continue // asleep until something is wanted
		}
		x.mixer.Tick(now, func(o *mix.Output, p mix.Packet) { x.emit(now, o, p) })
		timer.Reset(max(x.mixer.Next().Sub(now), 0))
	}
}

func (x *Mix) handle(now time.Time, it mixItem) {
	if it.do != nil {
		it.do()
		return
	}
	defer it.packet.Release()
	window := x.windows[it.track]
	if window == nil || x.mixer.Outputs() == 0 {
		return
	}
	p := it.packet
	push := jitter.Packet{Sequence: p.Sequence, Timestamp: p.Timestamp, Payload: p.Payload}
	switch p.Kind {
	case codec.Opus:
		// Noted, so that copies in RED are known to be copies if it comes later.
		if len(p.Payload) > 0 {
			window.Fresh(p.Timestamp, p.Payload)
		}
		x.mixer.Push(now, it.track.ID, push)
	case codec.RED:
		var err error
		if x.frames, err = window.Recover(x.frames[:0], p.Timestamp, p.Payload); err != nil {
			return // counted by the uplink
		}
		for _, f := range x.frames {
			push.Timestamp, push.Payload, push.Redundant = f.Timestamp, f.Data, f.Redundant
			x.mixer.Push(now, it.track.ID, push)
		}
	}
}

// emit makes a packet of what an output says, and fans it out.
func (x *Mix) emit(now time.Time, o *mix.Output, said mix.Packet) {
	s := x.streams[o]
	p := x.media.pool.Get()
	defer p.Release()
	if len(said.Payload) > len(p.Buffer()) {
		return // no voice is that rich
	}
	p.Payload = p.Buffer()[:copy(p.Buffer(), said.Payload)]
	p.Arrival, p.SSRC, p.Timestamp, p.Marker = now, s.ssrc, said.Timestamp, said.Marker
	p.Extended, p.Sequence = s.extended, uint16(s.extended)
	s.extended++
	p.Kind, p.Info = codec.Opus, codec.Info{FrameStart: true, FrameEnd: true}
	s.track.fanOut(p)
	x.media.counts.mixed.Add(1)
}

package full

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

const (
	// connectWithin bounds the making of connections, in virtual time: a path
	// of 1300 ms there and back takes twelve round trips.
	connectWithin = 60 * time.Second
	// targetEvery is how often the target is looked at.
	targetEvery = 10*time.Millisecond + 1
)

// ends are the two ends of one flow, of one kind of sender.
type ends interface {
	// connect returns when media can flow. It gives nothing back when it
	// fails: close is called in any case.
	connect(ctx context.Context) error
	// target is what the video may send, estimate what everything may.
	target() units.Rate
	estimate() units.Rate
	// camera makes the flow's video, with a seed.
	camera(seed uint64, begin time.Time) camera
	// keyframe says once of each request that the receiver wants one.
	keyframe() bool
	video(now time.Time, f client.Frame) error
	voice(now time.Time, f media.VoiceFrame) error
	close() error
}

// Run runs a plan in a bubble of its own and answers what happened. It must not
// be called in a parallel test. adapter is for plans with [Rivulet].
func Run(t *testing.T, p Plan, adapter Adapter) (record Record, err error) {
	t.Helper()
	if err := p.Validate(); err != nil {
		return Record{}, err
	}
	if testing.Testing() {
		cryptotest.SetGlobalRandom(t, p.Seed)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(p.withDefaults(), adapter)
		err = w.run(t.Context())
		err = errors.Join(err, w.close())
		record = w.record()
	})
	return record, err
}

// world is everything in a bubble.
type world struct {
	plan          Plan
	adapter       Adapter
	network       *memnet.Network
	forward, back *crossing
	server        *server // nil without Rivulet
	runs          []*running
	others        *others // nil without other traffic
	quit          chan struct{}
	busy          sync.WaitGroup

	mu     sync.Mutex
	failed error
}

// running is one flow.
type running struct {
	world     *world
	spec      Flow
	ends      ends
	out, home *way
	targets   []Target
}

func newWorld(p Plan, adapter Adapter) *world {
	w := &world{
		plan: p, adapter: adapter, network: memnet.New(memnet.Config{}),
		forward: newCrossing(p.Forward), back: newCrossing(p.Back), quit: make(chan struct{}),
	}
	w.network.SetFilter(func(p memnet.Packet) bool {
		w.forward.next(p.Stream)
		w.back.next(p.Stream)
		return true
	})
	return w
}

// address is the host of a flow's end: 10.0.side.number.
func address(side, number int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(side), byte(number + 1)})
}

// run makes the connections, carries the plan out, and stops the links.
func (w *world) run(ctx context.Context) error {
	if w.plan.Controller != PionGCC {
		var err error
		if w.server, err = newServer(w.network, w.adapter, func(c *sfu.Config) { c.BWE.Initial = w.plan.Flows[0].Initial }); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	for i, spec := range w.plan.Flows {
		w.add(i, spec)
	}
	for i, r := range w.runs {
		if err := r.ends.connect(ctx); err != nil {
			return fmt.Errorf("full: connect flow %d: %w", i, err)
		}
	}
	begin := time.Now()
	if err := errors.Join(w.forward.start(begin), w.back.start(begin)); err != nil {
		return err
	}
	for i, r := range w.runs {
		w.busy.Go(func() { r.show(w.plan.Seed*1000+uint64(i), begin) })
		w.busy.Go(func() { r.talk(w.plan.Seed*1000+uint64(i), begin) })
	}
	if len(w.plan.TCP)+len(w.plan.UDP) > 0 {
		w.others = newOthers(w, begin)
		w.busy.Go(w.others.run)
	}
	w.watch(begin)
	now := time.Now()
	w.forward.stop(now)
	w.back.stop(now)
	return w.failed
}

// add makes the ends of a flow and the paths between them.
func (w *world) add(i int, spec Flow) {
	r := &running{world: w, spec: spec}
	out, home := w.forward, w.back
	if spec.Reverse {
		out, home = home, out
	}
	r.out, r.home = wayOver(out, spec.Extra), wayOver(home, spec.Extra)
	if spec.To > 0 {
		r.out.first, r.out.end = spec.From, spec.To
		r.home.first, r.home.end = spec.From, spec.To
	}
	near, far := address(1, i), address(2, i)
	switch w.plan.Controller {
	case Rivulet:
		w.connect(near, serverAddress, r)
		w.server.ways.set(near, r.home)
		r.ends = newCaller(speaking{w.network.Host(near), oneWay(serverAddress, r.out)}, spec, i)
	case RivuletDown:
		w.connect(serverAddress, near, r)
		w.server.ways.set(near, r.out)
		r.ends = newViewer(w.server, w.network.Host(far), speaking{w.network.Host(near), oneWay(serverAddress, r.home)}, spec, i)
	case PionGCC:
		w.connect(near, far, r)
		r.ends = newPair(speaking{w.network.Host(near), oneWay(far, r.out)}, speaking{w.network.Host(far), oneWay(near, r.home)}, spec)
	}
	w.runs = append(w.runs, r)
}

// connect puts a flow's ways between sender and receiver.
func (w *world) connect(sender, receiver netip.Addr, r *running) {
	w.network.Route(sender, receiver, r.out)
	w.network.Route(receiver, sender, r.home)
}

// watch notes the targets until the plan ends or something fails.
func (w *world) watch(begin time.Time) {
	for {
		at := time.Since(begin)
		for _, r := range w.runs {
			rate := r.ends.estimate()
			if n := len(r.targets); n == 0 || r.targets[n-1].Rate != rate {
				r.targets = append(r.targets, Target{at, rate})
			}
		}
		w.mu.Lock()
		failed := w.failed
		w.mu.Unlock()
		if failed != nil || at >= w.plan.Duration {
			return
		}
		time.Sleep(min(targetEvery, w.plan.Duration-at))
	}
}

// fail ends the run with the first error.
func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// wait waits until a time; false when the run is over before.
func (w *world) wait(until time.Time) bool {
	select {
	case <-time.After(time.Until(until)):
		return true
	case <-w.quit:
		return false
	}
}

// camera makes frames.
type camera interface {
	// next is when it wants to be asked for one, counted from the start.
	next() time.Duration
	// frame makes what is due, at a rate as the packing counts it.
	frame(at time.Duration, rate units.Rate, key bool, out emit) error
	// skip passes over a frame that is not sent.
	skip(at time.Duration)
}

// show sends the video of a flow.
func (r *running) show(seed uint64, begin time.Time) {
	if r.spec.NoVideo {
		return
	}
	c, key := r.ends.camera(seed, begin), true
	for at := c.next(); at < r.spec.Stop && r.world.wait(begin.Add(at)); at = c.next() {
		if !r.spec.sends(at) {
			c.skip(at)
			continue
		}
		key = r.ends.keyframe() || key
		now := time.Now()
		err := c.frame(at, r.spec.videoRate(at, r.ends.target()), key, func(f client.Frame) error {
			key = false
			return r.ends.video(now, f)
		})
		if err != nil {
			r.world.fail(fmt.Errorf("full: send video at %v: %w", now.Sub(begin), err))
			return
		}
	}
}

// talk sends the voice of a flow.
func (r *running) talk(seed uint64, begin time.Time) {
	if r.spec.Voice == 0 {
		return
	}
	cfg := media.VoiceConfig{Seed: seed, Rate: r.spec.Voice, PacketTime: r.spec.PacketTime, Talk: -1}
	if r.spec.Spurts {
		cfg.Talk, cfg.DTX = 0, true
	}
	voice := media.NewVoice(begin.Add(r.spec.Start+7), cfg)
	var buffer [media.MaxVoicePayload]byte
	for r.world.wait(voice.Next()) {
		now := time.Now()
		at := now.Sub(begin)
		if at >= r.spec.Stop {
			return
		}
		for f, ok := voice.Poll(now, buffer[:]); ok; f, ok = voice.Poll(now, buffer[:]) {
			if !r.spec.sends(at) {
				continue
			}
			if err := r.ends.voice(now, f); err != nil {
				r.world.fail(fmt.Errorf("full: send voice at %v: %w", at, err))
				return
			}
		}
	}
}

// close ends everything that the bubble would wait for.
func (w *world) close() error {
	close(w.quit)
	w.busy.Wait()
	var errs []error
	for _, r := range w.runs {
		errs = append(errs, r.ends.close())
	}
	if w.server != nil {
		errs = append(errs, w.server.close())
	}
	return errors.Join(append(errs, w.network.Close())...)
}

// record answers what the world saw. Nothing runs any more.
func (w *world) record() Record {
	rec := Record{
		Name: w.plan.Name, Controller: w.plan.Controller, Seed: w.plan.Seed,
		Forward: w.forward.stats(), Back: w.back.stats(), Depth: w.forward.depth,
	}
	for _, r := range w.runs {
		rec.Flows = append(rec.Flows, FlowRecord{Packets: r.out.packets, Reports: r.home.packets, Targets: r.targets})
	}
	if w.others != nil {
		rec.Other = w.others.packets()
	}
	return rec
}

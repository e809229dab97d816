package full

import (
	"fmt"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// odd keeps arrivals off the instants at which everybody's timers are due: the
// order of timers at one instant is random.
const odd = 13 * time.Nanosecond

// crossing is the links of one direction that flows share, one after another.
// Until start, and after stop, packets cross by the propagation delay alone and
// are not counted.
type crossing struct {
	configs []link.Config

	mu      sync.Mutex // a leaf, taken below the network's
	links   []*link.Link
	begin   time.Time
	running bool
	stream  bool          // the next packet is a segment
	looked  time.Duration // depth is known until then
	depth   []time.Duration
}

func newCrossing(configs []link.Config) *crossing { return &crossing{configs: configs} }

func (c *crossing) start(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin = now
	for i, cfg := range c.configs {
		l, err := link.New(now, cfg)
		if err != nil {
			return fmt.Errorf("full: link %d: %w", i, err)
		}
		c.links = append(c.links, l)
	}
	c.running = true
	return nil
}

func (c *crossing) stop(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(now)
	c.running = false
}

// look samples the queues up to now. No packet came since the last time, so what
// the links say of the past is true.
func (c *crossing) look(now time.Time) {
	for ; c.looked <= now.Sub(c.begin); c.looked += DepthStep {
		var wait time.Duration
		for _, l := range c.links {
			wait += l.Wait(c.begin.Add(c.looked))
		}
		c.depth = append(c.depth, wait)
	}
}

// offer offers a packet to one of the links.
func (c *crossing) offer(now time.Time, i int, p link.Packet) link.Fate {
	c.look(now)
	return c.links[i].Offer(now, p)
}

// next is told of each packet before a way is offered it.
func (c *crossing) next(stream bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = stream
}

func (c *crossing) stats() []link.Stats {
	var all []link.Stats
	for _, l := range c.links {
		all = append(all, l.Stats())
	}
	return all
}

// way is one path of the network over a crossing, or over some of its links:
// first up to, not including, end.
type way struct {
	*crossing
	first, end int
	extra      time.Duration
	kind       lab.PacketKind // of the next datagram
	packets    []Packet
}

// wayOver is a way over all links of a crossing.
func wayOver(c *crossing, extra time.Duration) *way {
	return &way{crossing: c, end: len(c.configs), extra: extra}
}

// mark says what the next datagram is for.
func (w *way) mark(kind lab.PacketKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = kind
}

var _ memnet.Relay = (*way)(nil)

// Enter is the network's.
func (w *way) Enter(now time.Time, size int) (at time.Time, further memnet.Hop, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return now.Add(w.propagation(w.first)), nil, true
	}
	p := Packet{Sent: now.Sub(w.begin), Size: units.Size(size), Stream: w.stream, Kind: w.kind}
	if p.Stream {
		p.Kind = lab.KindSignalling
	}
	p.Voice = p.Kind == lab.KindVoice
	w.packets = append(w.packets, p)
	return w.cross(now, w.first, len(w.packets)-1)
}

// propagation is the delay from one of the links on, without any queue.
func (w *way) propagation(from int) time.Duration {
	d := w.extra + odd
	for _, l := range w.configs[from:w.end] {
		d += l.Delay
	}
	return d
}

// cross takes a packet over one link. The caller holds mu.
func (w *way) cross(now time.Time, i, number int) (at time.Time, further memnet.Hop, ok bool) {
	p := &w.packets[number]
	f := w.offer(now, i, link.Packet{Size: p.Size})
	p.Waited += f.Waited
	if f.Drop != link.None {
		p.Drop = f.Drop
		return time.Time{}, nil, false
	}
	if i++; i < w.end {
		return f.Arrive, func(now time.Time) (time.Time, memnet.Hop, bool) { return w.onward(now, i, number) }, true
	}
	at = f.Arrive.Add(odd + w.extra)
	p.Arrived = at.Sub(w.begin)
	return at, nil, true
}

// onward is cross for a packet that has come to a further link.
func (w *way) onward(now time.Time, i, number int) (at time.Time, further memnet.Hop, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return now.Add(w.propagation(i)), nil, true
	}
	return w.cross(now, i, number)
}

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

// crossing is the links of one direction that flows share. Until start, and
// after stop, packets cross by the propagation delay alone and are not counted.
type crossing struct {
	configs []link.Config
	delay   time.Duration // of all links

	mu      sync.Mutex // a leaf, taken below the network's
	links   []*link.Link
	begin   time.Time
	running bool
	stream  bool          // the next packet is a segment
	looked  time.Duration // depth is known until then
	depth   []time.Duration
}

func newCrossing(configs []link.Config) *crossing {
	c := &crossing{configs: configs}
	for _, l := range configs {
		c.delay += l.Delay
	}
	return c
}

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

// look samples the queue up to now. No packet came since the last time, so what
// the links say of the past is true.
func (c *crossing) look(now time.Time) {
	for ; c.looked <= now.Sub(c.begin); c.looked += DepthStep {
		// A packet sent then would have come to the next link after what it
		// waited for before, and all that was ahead of it is known.
		var wait time.Duration
		at := c.begin.Add(c.looked)
		for i, l := range c.links {
			w := l.Wait(at)
			wait += w
			at = at.Add(w + c.configs[i].Delay)
		}
		c.depth = append(c.depth, wait)
	}
}

// offer takes a packet through all links.
func (c *crossing) offer(now time.Time, size int) (p Packet, arrive time.Time) {
	c.look(now)
	p = Packet{Sent: now.Sub(c.begin), Size: units.Size(size), Stream: c.stream}
	at := now
	for _, l := range c.links {
		f := l.Offer(at, link.Packet{Size: units.Size(size)})
		p.Waited += f.Waited
		if f.Drop != link.None {
			p.Drop = f.Drop
			return p, time.Time{}
		}
		at = f.Arrive
	}
	at = at.Add(odd)
	p.Arrived = at.Sub(c.begin)
	return p, at
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

// way is a crossing as one path of the network sees it.
type way struct {
	*crossing
	extra   time.Duration
	kind    lab.PacketKind // of the next datagram
	packets []Packet
}

// mark says what the next datagram is for.
func (w *way) mark(kind lab.PacketKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = kind
}

var _ memnet.Link = (*way)(nil)

// Send is the network's.
func (w *way) Send(now time.Time, size int) (arrive time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return now.Add(w.delay + w.extra + odd), true
	}
	p, arrive := w.offer(now, size)
	if p.Drop == link.None {
		arrive = arrive.Add(w.extra)
		p.Arrived += w.extra
	}
	if p.Kind = w.kind; p.Stream {
		p.Kind = lab.KindSignalling
	}
	p.Voice = p.Kind == lab.KindVoice
	w.packets = append(w.packets, p)
	return arrive, p.Drop == link.None
}

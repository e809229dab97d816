package link

import "time"

// Pipe is a link that holds its packets until they arrive: Push, then Pop when
// Next has come. It belongs to one goroutine.
type Pipe[T any] struct {
	link  *Link
	heap  []held[T]
	count uint64
}

// held is a packet under way.
type held[T any] struct {
	Delivery[T]
	at     time.Time
	number uint64
}

// Delivery is a packet that arrived.
type Delivery[T any] struct {
	Value  T
	Marked bool // congestion experienced
	Copy   bool // a duplicate
}

// NewPipe answers an empty pipe that begins at start.
func NewPipe[T any](start time.Time, config Config) (*Pipe[T], error) {
	l, err := New(start, config)
	if err != nil {
		return nil, err
	}
	return &Pipe[T]{link: l}, nil
}

// Link answers the link within, for its Stats and Backlog.
func (p *Pipe[T]) Link() *Link { return p.link }

// Push sends a packet and answers its fate.
func (p *Pipe[T]) Push(now time.Time, packet Packet, value T) Fate {
	f := p.link.Offer(now, packet)
	if f.Drop != None {
		return f
	}
	p.push(held[T]{Delivery[T]{value, f.Marked, false}, f.Arrive, p.count})
	if !f.Copy.IsZero() {
		p.push(held[T]{Delivery[T]{value, f.Marked, true}, f.Copy, p.count})
	}
	return f
}

// Pop answers a packet that has arrived at now, the earliest first, of several
// at once the one that was sent first.
func (p *Pipe[T]) Pop(now time.Time) (Delivery[T], bool) {
	if len(p.heap) == 0 || p.heap[0].at.After(now) {
		return Delivery[T]{}, false
	}
	d := p.heap[0].Delivery
	last := len(p.heap) - 1
	p.heap[0] = p.heap[last]
	p.heap[last] = held[T]{}
	p.heap = p.heap[:last]
	p.sink(0)
	return d, true
}

// Next is when the next packet arrives; zero when none is under way.
func (p *Pipe[T]) Next() time.Time {
	if len(p.heap) == 0 {
		return time.Time{}
	}
	return p.heap[0].at
}

// Len is how many packets are under way.
func (p *Pipe[T]) Len() int { return len(p.heap) }

func (p *Pipe[T]) before(i, j int) bool {
	a, b := &p.heap[i], &p.heap[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.number < b.number
}

func (p *Pipe[T]) push(h held[T]) {
	p.count++
	p.heap = append(p.heap, h)
	for i := len(p.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !p.before(i, up) {
			return
		}
		p.heap[i], p.heap[up] = p.heap[up], p.heap[i]
		i = up
	}
}

func (p *Pipe[T]) sink(i int) {
	for {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < len(p.heap) && p.before(down, least) {
				least = down
			}
		}
		if least == i {
			return
		}
		p.heap[i], p.heap[least] = p.heap[least], p.heap[i]
		i = least
	}
}

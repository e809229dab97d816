package icemux

import (
	"sync"
	"sync/atomic"
)

// bufferSize is the largest datagram we take or give: an Ethernet frame's worth
// with room. Longer datagrams are no WebRTC traffic and are dropped.
const bufferSize = 2048

// buffer carries one packet from a socket to its reader.
type buffer struct{ data []byte }

// bufferPool lends buffers and knows how many are out.
type bufferPool struct {
	pool sync.Pool
	out  atomic.Int64
}

func (p *bufferPool) take() *buffer {
	p.out.Add(1)
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{data: make([]byte, bufferSize)}
}

// takeSize lends a buffer for n bytes; above bufferSize it is made to measure
// and not kept.
func (p *bufferPool) takeSize(n int) *buffer {
	if n <= bufferSize {
		return p.take()
	}
	p.out.Add(1)
	return &buffer{data: make([]byte, n)}
}

func (p *bufferPool) give(b *buffer) {
	p.out.Add(-1)
	if len(b.data) == bufferSize {
		p.pool.Put(b)
	}
}

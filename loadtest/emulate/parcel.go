package emulate

import "github.com/rivulet-rtc/rivulet/bwe/units"

// sink takes packets that have arrived.
type sink interface {
	// write sends a packet on at once and answers whether the system took it.
	write(packet []byte) bool
}

// parcel is one packet under way.
type parcel struct {
	data      []byte // length as the packet's, capacity as its class
	to        sink
	direction Direction
	ect       bool       // an IP packet that may be marked
	size      units.Size // on the wire, overhead of the plan included
	refs      uint8      // 2 with a duplicate
}

// Classes of buffers, in bytes: nearly all packets, and the largest there can be.
const (
	smallBuffer = 2048
	largeBuffer = 1 << 16
)

// pool keeps the buffers of parcels that have arrived for those to come.
type pool struct {
	small, large []*parcel
	held         int // bytes in use
}

// get answers a parcel for n bytes (0 to 64 KiB), or nil where that would be
// more than maxHeld altogether.
func (p *pool) get(n int) *parcel {
	free, class := &p.small, smallBuffer
	if n > smallBuffer {
		free, class = &p.large, largeBuffer
	}
	if n > largeBuffer || p.held+class > maxHeld {
		return nil
	}
	p.held += class
	if last := len(*free) - 1; last >= 0 {
		x := (*free)[last]
		*free = (*free)[:last]
		x.data = x.data[:n]
		return x
	}
	return &parcel{data: make([]byte, n, class)}
}

// put takes a parcel back.
func (p *pool) put(x *parcel) {
	class := cap(x.data)
	p.held -= class
	x.to = nil
	if class == smallBuffer {
		p.small = append(p.small, x)
	} else {
		p.large = append(p.large, x)
	}
}

// Package packet holds one received RTP packet with what is known of it, in a
// buffer that many subscribers share by counting references.
//
// A Packet is filled once by the uplink that received it and is read-only from
// the moment that it is handed on. Whoever keeps it beyond the call that handed
// it over takes a reference with Retain and gives it back with Release; the last
// Release returns the buffer to its Pool. The Pool counts buffers in use, so a
// test can prove that none outlives its room.
package packet

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
)

// MaxSize is the largest RTP packet in bytes that the engine accepts: an
// Ethernet frame's worth. Larger datagrams are dropped on arrival.
const MaxSize = 1500

// Packet is one RTP packet of an uplink.
type Packet struct {
	Arrival  time.Time // when it was taken from the socket
	Extended int64     // sequence number unwrapped by the uplink, 0 or more

	SSRC        uint32
	Timestamp   uint32
	Sequence    uint16
	PayloadType uint8
	Marker      bool

	Kind  codec.Kind
	Info  codec.Info
	Layer uint8 // simulcast layer, 0 is the smallest

	// Placement is what the dependency descriptor told of the frame; unknown
	// where there was none.
	Placement codec.Placement
	// Settled is the number below which nothing of the stream is waited for any
	// more: what has not come will not come.
	Settled int64

	// Recovered marks a packet that came by retransmission or redundancy.
	Recovered bool

	// AudioLevel is -dBov, 0 (loudest) to 127 (silence); RFC 6464 §3.
	AudioLevel    uint8
	HasAudioLevel bool
	VoiceActive   bool

	// Orientation is the video orientation byte (3GPP TS 26.114 §7.4.5).
	Orientation    uint8
	HasOrientation bool

	// Payload is the RTP payload without padding, and Descriptor the dependency
	// descriptor, nil if there was none. Both point into the packet's own buffer.
	Payload    []byte
	Descriptor []byte

	references atomic.Int32
	pool       *Pool
	buffer     [MaxSize]byte
}

// Buffer is the packet's whole storage, MaxSize bytes.
func (p *Packet) Buffer() []byte { return p.buffer[:] }

// Retain takes one more reference.
func (p *Packet) Retain() *Packet {
	p.references.Add(1)
	return p
}

// Release gives one reference back. The packet must not be touched afterwards.
func (p *Packet) Release() {
	switch n := p.references.Add(-1); {
	case n == 0:
		p.pool.put(p)
	case n < 0:
		panic("packet: released more often than retained")
	}
}

// Another lends an empty packet of the same pool, for what is made of this one.
func (p *Packet) Another() *Packet { return p.pool.Get() }

// Pool lends packets. It is safe for concurrent use.
type Pool struct {
	free  sync.Pool
	inUse atomic.Int64
}

// NewPool answers an empty pool.
func NewPool() *Pool {
	p := &Pool{}
	p.free.New = func() any { return &Packet{pool: p} }
	return p
}

// Get lends a packet with one reference and all fields zero but the buffer.
func (p *Pool) Get() *Packet {
	pkt := p.free.Get().(*Packet)
	pkt.reset()
	pkt.references.Store(1)
	p.inUse.Add(1)
	return pkt
}

// InUse is how many packets are lent now.
func (p *Pool) InUse() int64 { return p.inUse.Load() }

func (p *Pool) put(pkt *Packet) {
	p.inUse.Add(-1)
	p.free.Put(pkt)
}

// reset clears everything but the buffer, whose 1500 bytes need no clearing.
func (p *Packet) reset() {
	p.Arrival, p.Extended = time.Time{}, 0
	p.SSRC, p.Timestamp, p.Sequence, p.PayloadType, p.Marker = 0, 0, 0, 0, false
	p.Kind, p.Info, p.Layer, p.Recovered = 0, codec.Info{}, 0, false
	p.Placement, p.Settled = codec.Placement{}, 0
	p.AudioLevel, p.HasAudioLevel, p.VoiceActive = 0, false, false
	p.Orientation, p.HasOrientation = 0, false
	p.Payload, p.Descriptor = nil, nil
}

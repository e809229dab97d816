package downlink

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// camera makes the packets of one VP8 simulcast layer with three temporal
// layers in the pattern 0 2 1 2, as Chromium does.
type camera struct {
	pool    *packet.Pool
	ssrc    uint32
	layer   uint8
	rate    units.Rate
	next    int64
	time    uint32
	frames  int
	picture uint16
	tl0     uint8
	wantKey bool
	keySize int // of a key frame, in bytes; 0 = three ordinary ones
}

const frameTime = time.Second / 30

var cadence = [4]uint8{0, 2, 1, 2}

// frame answers the packets of the next frame.
func (c *camera) frame(now time.Time) []*packet.Packet {
	key := c.wantKey || c.frames == 0
	if key {
		c.frames = 0
		c.wantKey = false
	}
	tid := cadence[c.frames%4]
	c.frames++
	c.picture = (c.picture + 1) & 0x7fff
	if tid == 0 {
		c.tl0++
	}
	c.time += 3000
	size := int(c.rate.In(frameTime))
	if key {
		if size *= 3; c.keySize > 0 {
			size = c.keySize
		}
	}
	n := (size + 1099) / 1100
	packets := make([]*packet.Packet, n)
	for i := range packets {
		p := c.pool.Get()
		p.Arrival, p.Extended, p.Sequence = now, c.next, uint16(c.next)
		c.next++
		p.SSRC, p.Timestamp, p.PayloadType, p.Marker = c.ssrc, c.time, 100, i == n-1
		p.Kind, p.Layer = codec.VP8, c.layer
		p.Payload = p.Buffer()[:size/n]
		writeVP8(p.Payload, i == 0, key, c.picture, c.tl0, tid)
		info, ok := codec.Inspect(codec.VP8, p.Payload, nil, p.Marker)
		if !ok {
			panic("test payload is no VP8")
		}
		p.Info = info
		packets[i] = p
	}
	return packets
}

// writeVP8 writes a payload descriptor with all fields (RFC 7741 §4.2) and the
// first byte of the payload header (§4.3).
func writeVP8(b []byte, start, key bool, picture uint16, tl0, tid uint8) {
	clear(b[:min(len(b), 16)])
	b[0] = 0x80
	if start {
		b[0] |= 0x10
	}
	if tid == 2 {
		b[0] |= 0x20 // nothing refers to it
	}
	b[1] = 0xe0 // I, L, T
	b[2], b[3] = 0x80|byte(picture>>8), byte(picture)
	b[4] = tl0
	b[5] = tid<<6 | 0x20 // Y: may be joined
	b[6] = 1
	if start && key {
		b[6] = 0
	}
}

// talker makes a packet of 20 ms of Opus.
type talker struct {
	pool *packet.Pool
	ssrc uint32
	next int64
}

func (v *talker) packet(now time.Time, size int) *packet.Packet {
	p := v.pool.Get()
	p.Arrival, p.Extended, p.Sequence = now, v.next, uint16(v.next)
	p.SSRC, p.Timestamp, p.PayloadType, p.Kind = v.ssrc, uint32(v.next)*960, 100, codec.Opus
	p.Info.FrameStart, p.Info.FrameEnd = true, true
	p.Payload = p.Buffer()[:size]
	if size > 0 {
		p.Payload[0] = 9 << 3 // SILK, wideband, 20 ms
	}
	v.next++
	return p
}

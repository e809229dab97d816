// Package tap takes decrypted packets out of pion where they come in: on the
// goroutine of its SRTP and SRTCP loops, before any goroutine waits for a stream.
//
//	pion SRTP loop  -> Buffer(RTP, ssrc).Write  -> Config.RTP
//	pion SRTCP loop -> Buffer(RTCP, ssrc).Write -> once of each packet, bounded -> Config.RTCP
//
// It decides which deliveries of an RTCP packet are one packet: pion writes it
// to the stream of every SSRC that it names. pion's own readers get nothing.
//
// Input: packets. Output: the same, once each, and counts of what was refused.
package tap

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5/packetio"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
)

const (
	// maxRTCPRate bounds the RTCP packets a second of one connection, and
	// maxRTCPBurst what may come at once. A browser sends about 30 a second.
	maxRTCPRate  = 400
	maxRTCPBurst = 200
	// maxBuffers bounds the streams that pion keeps for one connection: an SSRC
	// that RTCP names costs a stream, so a hostile peer could name thousands. A
	// connection that goes beyond has to be ended: pion keeps something for each.
	maxBuffers = 1024
)

// Tap belongs to one connection. Buffer is its SettingEngine.BufferFactory.
type Tap struct {
	rtp  func(b []byte)
	rtcp func(now time.Time, b []byte)
	// OnFlood, if set, is called once, from a goroutine of its own, when the
	// connection names more streams than any honest one.
	OnFlood func()
	flooded sync.Once

	buffers atomic.Int64
	limited atomic.Uint64

	mu     sync.Mutex
	last   []byte   // the RTCP packet that is being delivered
	seen   []uint32 // the SSRCs that it was delivered to
	tokens bucket.Bucket
}

// New answers a tap that hands every RTP packet to rtp and every RTCP compound
// to rtcp. Both are called on pion's loops, must not block, and must not keep b.
func New(rtp func(b []byte), rtcp func(now time.Time, b []byte)) *Tap {
	return &Tap{rtp: rtp, rtcp: rtcp}
}

// Limited is how many RTCP packets were refused because too many came.
func (t *Tap) Limited() uint64 { return t.limited.Load() }

// Buffer is where pion writes what it decrypts of one stream.
func (t *Tap) Buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	switch {
	case t.buffers.Add(1) > maxBuffers:
		if t.OnFlood != nil {
			t.flooded.Do(func() { go t.OnFlood() })
		}
		return sink{}
	case kind == packetio.RTPBufferPacket:
		return media{t: t}
	}
	return control{t: t, ssrc: ssrc}
}

// sink takes everything and answers the end at once.
type sink struct{}

func (sink) Read([]byte) (int, error)    { return 0, io.EOF }
func (sink) Write(b []byte) (int, error) { return len(b), nil }
func (sink) Close() error                { return nil }

type media struct {
	sink
	t *Tap
}

func (m media) Write(b []byte) (int, error) {
	m.t.rtp(b)
	return len(b), nil
}

type control struct {
	sink
	t    *Tap
	ssrc uint32
}

func (c control) Write(b []byte) (int, error) {
	now := time.Now()
	c.t.mu.Lock()
	pass := c.t.fresh(c.ssrc, b) && c.t.allow(now)
	c.t.mu.Unlock()
	if pass {
		c.t.rtcp(now, b)
	}
	return len(b), nil
}

// fresh says whether this is a new packet and not one more delivery of the
// last: the same bytes at the same SSRC again are a new packet.
func (t *Tap) fresh(ssrc uint32, b []byte) bool {
	if bytes.Equal(t.last, b) && !slices.Contains(t.seen, ssrc) {
		t.seen = append(t.seen, ssrc)
		return false
	}
	t.last = append(t.last[:0], b...)
	t.seen = append(t.seen[:0], ssrc)
	return true
}

// allow is a token bucket.
func (t *Tap) allow(now time.Time) bool {
	ok := t.tokens.Take(now, maxRTCPRate, maxRTCPBurst, 1)
	if !ok {
		t.limited.Add(1)
	}
	return ok
}

package full

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

const (
	// mostFrames is the frame rate of the perfect encoder.
	mostFrames = 30
	// videoClock is the RTP clock of video in Hz.
	videoClock = 90_000
)

// packing is how frames become packets, and what of them counts.
type packing struct {
	// leastFrames is how few frames a second there may be, where more would be
	// smaller than frameOfChoice: RFC 8867 §4.4 has 10 to 30.
	leastFrames float64
	// largest bounds a packet, in bytes as the target counts them.
	largest units.Size
	// overhead is what the target counts of a packet beyond its payload.
	overhead units.Size
	// even cuts a frame into packets of about one size, as libwebrtc and our
	// clients do; otherwise all but the last are as large as may be, as pion's
	// payloaders do.
	even bool
}

const frameOfChoice = 1000 // bytes

// sizes of VP8 headers (RFC 7741 §4.2 with picture id, RFC 6386 §9.1).
const (
	descriptor  = 4
	keyHeader   = 10
	leastPacket = descriptor + keyHeader
)

// encoder is a perfect one: it follows the target at once and fills it to the
// byte. It belongs to one goroutine.
type encoder struct {
	packing
	due     time.Duration
	carry   float64 // bytes owed for rounding
	picture uint16
	buffer  [1500]byte
}

// newCamera answers what the flow films with.
func newCamera(p packing, spec Flow, seed uint64, begin time.Time) camera {
	if spec.Encoder {
		return newModel(p, seed, begin, spec.Start)
	}
	return newEncoder(p, seed, spec.Start)
}

// newEncoder answers an encoder whose first frame is due within the first 33 ms
// from start; when is left to chance.
func newEncoder(p packing, seed uint64, start time.Duration) *encoder {
	return &encoder{packing: p, due: start + firstFrame(seed)}
}

// firstFrame is when within a frame's time a camera begins.
func firstFrame(seed uint64) time.Duration {
	random := rand.New(rand.NewPCG(seed, 0x7068617365)) // "phase"
	return time.Duration(random.Int64N(int64(33*time.Millisecond))) | 1
}

func (e *encoder) next() time.Duration { return e.due }

// emit is told of one packet of a frame; its payload is only lent.
type emit func(client.Frame) error

// frame makes the frame that is due.
func (e *encoder) frame(_ time.Duration, rate units.Rate, key bool, out emit) error {
	fps := max(e.leastFrames, min(mostFrames, float64(rate)/8/frameOfChoice))
	interval := time.Duration(float64(time.Second)/fps) | 1
	timestamp := uint32(e.due.Seconds() * videoClock)
	e.due += interval
	e.carry += float64(rate) / 8 * interval.Seconds()
	if e.carry < float64(e.overhead+leastPacket) {
		return nil
	}
	size := units.Size(e.carry)
	e.picture = (e.picture + 1) & 0x7fff
	n := (size + e.largest - 1) / e.largest
	for i := range n {
		length := min(e.largest, size-i*e.largest)
		if e.even {
			length = size*(i+1)/n - size*i/n
		}
		payload := e.write(int(max(length-e.overhead, leastPacket)), i == 0, key)
		e.carry -= float64(len(payload)) + float64(e.overhead)
		if err := out(client.Frame{Timestamp: timestamp, Marker: i == n-1, Payload: payload}); err != nil {
			return err
		}
	}
	return nil
}

// skip passes over a frame that is not sent.
func (e *encoder) skip(time.Duration) {
	e.due += time.Second/mostFrames | 1
	e.carry = 0
}

// write makes a payload of a length.
func (e *encoder) write(length int, first, key bool) []byte {
	b := e.buffer[:length]
	clear(b[:leastPacket])
	b[0], b[1] = 0x80, 0x80
	if first {
		b[0] |= 0x10
	}
	binary.BigEndian.PutUint16(b[2:], 0x8000|e.picture)
	if !first {
		return b
	}
	head := b[descriptor:]
	head[0] = 0x10 // shown
	if !key {
		head[0] |= 1
		return b
	}
	copy(head[3:], []byte{0x9d, 0x01, 0x2a})
	binary.LittleEndian.PutUint16(head[6:], 640)
	binary.LittleEndian.PutUint16(head[8:], 360)
	return b
}

package full

import (
	"math/rand/v2"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// Content of the encoder model, as in the exact back end: scenes of 3 to 15
// seconds, of which a third need 25 to 70 % of the rate only.
const (
	shortestScene = 3 * time.Second
	longestScene  = 15 * time.Second
	easyScenes    = 1.0 / 3
	// pausedLook is how soon a paused encoder looks at its rate again.
	pausedLook = 100*time.Millisecond + 1
	// vp8Descriptor is what a packet of a layered encoder carries beside frame
	// and headers.
	vp8Descriptor units.Size = 6
)

// model is an encoder like real ones: it follows with a lag, its frames vary,
// key frames are large, and content is sometimes too easy to fill the rate.
type model struct {
	packing
	vp8    *media.VP8
	begin  time.Time
	random *rand.Rand
	easy   float64 // share of the rate that the content needs
	change time.Duration
	look   time.Duration // of a paused encoder
	set    units.Rate
	buffer [1500]byte
}

func newModel(p packing, seed uint64, begin time.Time, start time.Duration) *model {
	m := &model{packing: p, begin: begin, easy: 1, change: start, look: start}
	m.random = rand.New(rand.NewPCG(seed, 0x7363656e65)) // "scene"
	m.vp8 = media.NewVP8(begin.Add(start+firstFrame(seed)), media.VP8Config{
		Seed: seed, MaxPayload: int(p.largest - p.overhead), Rate: 250 * units.Kbps,
	})
	return m
}

func (m *model) next() time.Duration {
	if n := m.vp8.Next(); !n.IsZero() {
		return n.Sub(m.begin) | 1
	}
	return m.look
}

func (m *model) frame(at time.Duration, rate units.Rate, key bool, out emit) error {
	now := m.begin.Add(at)
	for m.change <= at {
		m.change += shortestScene + time.Duration(m.random.Float64()*float64(longestScene-shortestScene))
		m.easy = 1
		if m.random.Float64() < easyScenes {
			m.easy = 0.25 + 0.45*m.random.Float64()
		}
	}
	if r := m.payload(rate).Scale(m.easy); r != m.set {
		m.set = r
		m.vp8.SetRate(now, r)
	}
	if key {
		m.vp8.RequestKeyFrame()
	}
	for {
		f, ok := m.vp8.Poll(now)
		if !ok {
			break
		}
		for i := range f.Packets() {
			payload, last := f.Packet(i, m.buffer[:])
			if err := out(client.Frame{Timestamp: f.Timestamp, Marker: last, Payload: payload}); err != nil {
				return err
			}
		}
	}
	m.look = at + pausedLook
	return nil
}

func (m *model) skip(at time.Duration) {
	m.vp8.SetRate(m.begin.Add(at), 0)
	m.set = 0
	m.look = at + pausedLook
}

// payload is what of a rate is left for frames at 30 a second.
func (m *model) payload(rate units.Rate) units.Rate {
	packets := max(mostFrames, float64(rate)/8/float64(m.largest))
	return max(0, rate-units.Rate(packets*float64(m.overhead+vp8Descriptor)*8))
}

package media

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// format is what libwebrtc gives a simulcast layer of a size
// (video/config/simulcast.cc): its least, wanted and largest rate, and how many
// layers a source of that size has.
type format struct {
	pixels            int // from here on
	layers            int
	least, want, most units.Rate
}

var formats = []format{
	{1920 * 1080, 3, 800 * units.Kbps, 4000 * units.Kbps, 5000 * units.Kbps},
	{1280 * 720, 3, 600 * units.Kbps, 2500 * units.Kbps, 2500 * units.Kbps},
	{960 * 540, 3, 350 * units.Kbps, 1200 * units.Kbps, 1200 * units.Kbps},
	{640 * 360, 2, 150 * units.Kbps, 500 * units.Kbps, 700 * units.Kbps},
	{480 * 270, 2, 150 * units.Kbps, 350 * units.Kbps, 450 * units.Kbps},
	{0, 1, 30 * units.Kbps, 150 * units.Kbps, 200 * units.Kbps},
}

func formatFor(width, height int) format {
	for _, f := range formats {
		if width*height >= f.pixels {
			return f
		}
	}
	return formats[len(formats)-1]
}

// rids name the layers from the smallest up, as browsers' examples do.
var rids = [3]string{"q", "h", "f"}

// resumeFactor is how much more than its least rate brings a layer back that was
// off, so that a rate that wavers does not switch it all the time.
const resumeFactor = 1.1

// SimulcastLayer is one encoder of a Simulcast.
type SimulcastLayer struct {
	RID     string // "q", "h", "f"
	Encoder *VP8
	format  format
	off     bool
	limit   units.Rate // 0 = none
}

// wants is what the layer asks for, and the most that it takes.
func (l *SimulcastLayer) wants() (want, most units.Rate) {
	want, most = l.format.want, l.format.most
	if l.limit > 0 {
		want, most = min(want, l.limit), min(most, l.limit)
	}
	return want, most
}

// Simulcast is one camera in up to three sizes, each an encoder of its own, that
// share a rate.
type Simulcast struct {
	Layers []SimulcastLayer // the smallest first
}

// NewSimulcast makes the layers of a camera whose first frames are due at start.
// config describes the largest layer, and its rate is shared by all; as in
// libwebrtc a small source has fewer layers than three. Each layer has half the
// width of the next.
func NewSimulcast(start time.Time, config VP8Config) *Simulcast {
	config = config.withDefaults()
	s := &Simulcast{}
	count := formatFor(config.Width, config.Height).layers
	for i := range count {
		c := config
		shift := count - 1 - i
		c.Width, c.Height = config.Width>>shift, config.Height>>shift
		c.Seed = config.Seed*uint64(len(rids)) + uint64(i)
		c.Source = config.Source + uint16(i)
		c.Paused = true
		s.Layers = append(s.Layers, SimulcastLayer{
			RID: rids[i], Encoder: NewVP8(start, c), format: formatFor(c.Width, c.Height),
		})
	}
	s.SetRate(start, config.Rate)
	return s
}

// Limit switches a layer on or off and bounds its rate (of payload) and frame
// rate, 0 for no bound, as RTCRtpSender.setParameters does. SetRate follows it.
func (s *Simulcast) Limit(layer int, active bool, most units.Rate, frameRate int) {
	if layer >= 0 && layer < len(s.Layers) {
		l := &s.Layers[layer]
		l.off, l.limit = !active, most
		l.Encoder.SetFrameRate(frameRate)
	}
}

// SetRate shares a rate among the layers: each gets its least from the smallest
// up, then what it wants, and the largest that runs gets more if more is left.
// The smallest runs on less than its least, down to the encoder's pause.
func (s *Simulcast) SetRate(now time.Time, total units.Rate) {
	left := max(total, 0)
	var shares [len(rids)]units.Rate
	top := -1
	for i := range s.Layers {
		layer := &s.Layers[i]
		if layer.off {
			continue
		}
		least := layer.format.least
		if layer.Encoder.Paused() {
			least = least.Scale(resumeFactor)
		}
		if top >= 0 && left < least {
			break
		}
		top = i
		want, _ := layer.wants()
		shares[i] = min(left, want)
		left -= shares[i]
	}
	if top >= 0 {
		_, most := s.Layers[top].wants()
		shares[top] = min(shares[top]+left, max(shares[top], most))
	}
	for i, layer := range s.Layers {
		layer.Encoder.SetRate(now, shares[i])
	}
}

// Next answers when the next frame of any layer is due; the zero time while all
// are paused.
func (s *Simulcast) Next() time.Time {
	var next time.Time
	for _, layer := range s.Layers {
		if due := layer.Encoder.Next(); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}

// Poll answers a frame that is due at now and the index of its layer, or false
// when none is. Call it again until then.
func (s *Simulcast) Poll(now time.Time) (layer int, f Frame, ok bool) {
	for i := range s.Layers {
		if f, ok = s.Layers[i].Encoder.Poll(now); ok {
			return i, f, true
		}
	}
	return 0, Frame{}, false
}

// RequestKeyFrame makes the next frame of one layer a key frame.
func (s *Simulcast) RequestKeyFrame(layer int) {
	if layer >= 0 && layer < len(s.Layers) {
		s.Layers[layer].Encoder.RequestKeyFrame()
	}
}

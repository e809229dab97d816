//go:build cgo && opus

package mix

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
)

// Real speech stays what it was through every thin shape, and an original that
// was something else is told apart: the measure means something.
func TestSpeechSurvivesThinning(t *testing.T) {
	spoken := opustest.Spoken(t)
	length := time.Duration(len(spoken)) * time.Second / SampleRate
	for _, test := range []struct {
		rate       units.Rate
		packetTime time.Duration
		most       float64 // dB
	}{
		{24 * units.Kbps, 20 * time.Millisecond, 3},
		{12 * units.Kbps, 60 * time.Millisecond, 4},
		{8 * units.Kbps, 60 * time.Millisecond, 5.5},
		{8 * units.Kbps, 120 * time.Millisecond, 5.5},
		{6 * units.Kbps, 120 * time.Millisecond, 6.5},
	} {
		m := newMixer(t)
		o := addOutput(t, m, OutputConfig{Only: 1, Rate: test.rate, PacketTime: test.packetTime})
		h := call(t, m, length+time.Second, newSource(t, 1, spoken))[o]
		heard := opustest.Align(spoken, h.play(t), SampleRate/2)
		d := opustest.Distance(spoken, heard)
		t.Logf("%v in %v: %.1f dB", test.rate, test.packetTime, d)
		if d > test.most {
			t.Errorf("%v in %v: %.1f dB from the original, at most %v", test.rate, test.packetTime, d, test.most)
		}
	}
	other := rand.New(rand.NewPCG(1, 1)).Perm(len(spoken) / 1600)
	shuffled := make([]int16, 0, len(spoken))
	for _, i := range other {
		shuffled = append(shuffled, spoken[i*1600:(i+1)*1600]...)
	}
	if d := opustest.Distance(spoken, shuffled); d < 11 {
		t.Errorf("words in another order are only %.1f dB away", d)
	}
	if d := opustest.Distance(spoken, spoken); d != 0 {
		t.Errorf("the same is %.1f dB away", d)
	}
}

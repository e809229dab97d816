// Package opustest makes sound for tests of what encodes and decodes it.
package opustest

import (
	"math"
	"math/rand/v2"
)

// Speech is something like a voice: a gliding tone rich in harmonics, in three
// syllables a second, over a little noise. Pitch is in Hz, a man's about 120, a
// woman's 210. The same arguments answer the same samples.
func Speech(sampleRate, samples int, pitch float64) []int16 {
	chance := rand.New(rand.NewPCG(uint64(pitch), 2))
	pcm := make([]int16, samples)
	phase := 0.0
	for i := range pcm {
		at := float64(i) / float64(sampleRate)
		phase += 2 * math.Pi * (pitch + 0.3*pitch*math.Sin(2*math.Pi*at)) / float64(sampleRate)
		loud := math.Max(0, math.Sin(2*math.Pi*3*at))
		value := 0.0
		for h := 1.0; h < 12; h++ {
			value += math.Sin(h*phase) / h
		}
		pcm[i] = int16(6000*loud*value + 300*chance.NormFloat64())
	}
	return pcm
}

// Level is the mean power of sound in dB of full scale, 0 at the loudest; -127
// for digital silence.
func Level(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return -127
	}
	return 10 * math.Log10(sum/float64(len(pcm))/(math.MaxInt16*math.MaxInt16))
}

// Tone is how strongly a frequency is in the sound, as the amplitude of its
// sine (Goertzel's algorithm).
func Tone(pcm []int16, sampleRate int, hertz float64) float64 {
	w := 2 * math.Pi * hertz / float64(sampleRate)
	var before, last float64
	for _, s := range pcm {
		before, last = last, float64(s)+2*math.Cos(w)*last-before
	}
	power := before*before + last*last - 2*math.Cos(w)*before*last
	return 2 * math.Sqrt(max(power, 0)) / float64(len(pcm))
}

// Sine is a tone.
func Sine(sampleRate, samples int, hertz, amplitude float64) []int16 {
	pcm := make([]int16, samples)
	for i := range pcm {
		pcm[i] = int16(amplitude * math.Sin(2*math.Pi*hertz*float64(i)/float64(sampleRate)))
	}
	return pcm
}

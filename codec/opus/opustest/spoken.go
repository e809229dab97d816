package opustest

import (
	"encoding/binary"
	"os/exec"
	"testing"
)

// text has all that is hard for a codec: plosives, fricatives, pauses.
const text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. " +
	"It is easy to tell the depth of a well. These days a chicken leg is a rare dish."

// Spoken is about ten seconds of English at 16 kHz, by the distribution's
// espeak-ng. Without that program the test is skipped, aloud; `make test`
// installs it.
func Spoken(t testing.TB) []int16 {
	t.Helper()
	path, err := exec.LookPath("espeak-ng")
	if err != nil {
		t.Skip("needs espeak-ng, to say something: run `make test`, which installs it")
	}
	wave, err := exec.Command(path, "--stdout", "-v", "en", "-s", "150", text).Output()
	if err != nil {
		t.Fatalf("espeak-ng: %v", err)
	}
	const header = 44 // of a canonical WAVE file, mono, 16 bits, 22050 Hz
	if len(wave) < header || string(wave[:4]) != "RIFF" || binary.LittleEndian.Uint32(wave[24:]) != 22050 {
		t.Fatalf("espeak-ng answered no wave of 22050 Hz (%d bytes)", len(wave))
	}
	wave = wave[header:]
	from := make([]int16, len(wave)/2)
	for i := range from {
		from[i] = int16(binary.LittleEndian.Uint16(wave[2*i:]))
	}
	return resample(from, 22050, 16000)
}

// resample goes down by drawing lines between samples, after a mean over what a
// new sample covers: enough for speech.
func resample(from []int16, rate, to int) []int16 {
	out := make([]int16, int(int64(len(from)-2)*int64(to)/int64(rate)))
	at := func(i int) float64 {
		if i+1 >= len(from) {
			return 0
		}
		return (float64(from[i]) + float64(from[i+1])) / 2
	}
	for i := range out {
		x := float64(i) * float64(rate) / float64(to)
		whole := int(x)
		out[i] = int16(at(whole) + (x-float64(whole))*(at(whole+1)-at(whole)))
	}
	return out
}

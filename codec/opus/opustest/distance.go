package opustest

import (
	"math"
	"math/cmplx"
)

const (
	// frame is the length of a piece that is compared, hop how far the next one is.
	frame, hop = 512, 256 // 32 and 16 ms at 16 kHz
	// bands are as the ear resolves them, about a Bark each up to 7 kHz.
	bands = 20
	// active is how much quieter than the loudest a piece of the original may
	// be, in dB, to count: what nobody says cannot be spoilt.
	active = 40
	// worst bounds what one band of one piece counts, in dB: silence in place of
	// speech is bad, not infinitely so.
	worst = 40
)

// Distance is how differently two sounds of 16 kHz are heard, in dB: the mean
// over the pieces in which the original says something, of how far the levels
// of its critical bands are apart. 0 is the same; what a good codec does is
// below 5, and other speech is above 15. Samples of heard are as many as those
// of the original, aligned with them (Align).
//
// It is a log-spectral distance in segments, as in segmental SNR measures
// (Quackenbush et al., Objective Measures of Speech Quality, 1988), for tests
// that compare chains with one another. It is no opinion score.
func Distance(original, heard []int16) float64 {
	n := min(len(original), len(heard))
	loudest := -127.0
	for at := 0; at+frame <= n; at += hop {
		loudest = max(loudest, Level(original[at:at+frame]))
	}
	sum, pieces := 0.0, 0
	for at := 0; at+frame <= n; at += hop {
		if Level(original[at:at+frame]) < loudest-active {
			continue
		}
		a, b := spectrum(original[at:at+frame]), spectrum(heard[at:at+frame])
		d := 0.0
		for i := range a {
			d += min(math.Abs(a[i]-b[i]), worst)
		}
		sum += d / bands
		pieces++
	}
	if pieces == 0 {
		return 0
	}
	return sum / float64(pieces)
}

// spectrum is the level of each band of a piece in dB, with a floor below which
// nothing is heard.
func spectrum(pcm []int16) (levels [bands]float64) {
	const floor = 1e4 // about -60 dB of full scale in one band
	x := make([]complex128, frame)
	for i, s := range pcm {
		x[i] = complex(float64(s)*(0.5-0.5*math.Cos(2*math.Pi*float64(i)/frame)), 0)
	}
	fourier(x)
	var power [bands]float64
	for i := 1; i < frame/2; i++ {
		if b := band(float64(i) * 16000 / frame); b < bands {
			power[b] += real(x[i])*real(x[i]) + imag(x[i])*imag(x[i])
		}
	}
	for i := range levels {
		levels[i] = 10 * math.Log10(power[i]/frame+floor)
	}
	return levels
}

// band is the critical band of a frequency (Traunmüller, 1990).
func band(hertz float64) int {
	return int(max(26.81*hertz/(1960+hertz)-0.53, 0))
}

// fourier transforms x, whose length is a power of two, in place.
func fourier(x []complex128) {
	n := len(x)
	if n == 1 {
		return
	}
	even, odd := make([]complex128, n/2), make([]complex128, n/2)
	for i := range even {
		even[i], odd[i] = x[2*i], x[2*i+1]
	}
	fourier(even)
	fourier(odd)
	for i := range even {
		t := cmplx.Rect(1, -2*math.Pi*float64(i)/float64(n)) * odd[i]
		x[i], x[i+n/2] = even[i]+t, even[i]-t
	}
}

// Align answers heard without its delay of at most the given number of samples:
// by the lag at which it resembles the original most. What is missing at the
// end is silence.
func Align(original, heard []int16, most int) []int16 {
	out := make([]int16, len(original))
	copy(out, heard[min(Lag(original, heard, most), len(heard)):])
	return out
}

// Lag is by how many samples, at most so many, heard comes after the original:
// the lag at which it resembles it most. A long lag is sought by loudness first.
func Lag(original, heard []int16, most int) int {
	const (
		searched = 2 * 16000 // the first two seconds tell
		near     = 2000      // samples within which every lag is tried
		piece    = 160       // of 10 ms, of which the loudness is taken
	)
	from, to := 0, most
	if most > 2*near {
		lag := piece * resembles(loudness(original, piece), loudness(heard, piece), 0, most/piece, 1)
		from, to = max(0, lag-near/2), min(most, lag+near/2)
	}
	return resembles(floats(original[:min(len(original), searched)]), floats(heard), from, to, 3)
}

// resembles answers the lag of the greatest correlation, looking at every nth value.
func resembles(a, b []float64, from, to, nth int) int {
	best, lag := math.Inf(-1), from
	for l := from; l <= to; l++ {
		sum := 0.0
		for i := 0; i < len(a) && i+l < len(b); i += nth {
			sum += a[i] * b[i+l]
		}
		if sum > best {
			best, lag = sum, l
		}
	}
	return lag
}

func floats(pcm []int16) []float64 {
	out := make([]float64, len(pcm))
	for i, v := range pcm {
		out[i] = float64(v)
	}
	return out
}

// loudness is the level of each piece above its mean, in dB.
func loudness(pcm []int16, piece int) (all []float64) {
	sum := 0.0
	for at := 0; at+piece <= len(pcm); at += piece {
		l := max(Level(pcm[at:at+piece]), -60)
		all = append(all, l)
		sum += l
	}
	for i := range all {
		all[i] -= sum / float64(len(all))
	}
	return all
}

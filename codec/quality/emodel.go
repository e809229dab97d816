// Package quality estimates how a conversation sounds to the people in it: the
// E-model, from what is measured.
//
// Input is the codec and its rate, the delay from mouth to ear, the share of
// packets lost after every repair and how bursty the loss is. Output is a
// transmission rating R and a mean opinion score (MOS, 1 to 4.5).
//
//	R = Rmax − Idd(delay) − Ieff(codec, loss, burstiness)
//
// There are three scales: narrowband (ITU-T G.107), wideband (G.107.1) and
// fullband (G.107.2). A score is relative to the best of its own scale: a
// narrowband 4.3 sounds worse than a wideband 4.1. Scores of different scales
// are never compared, averaged or drawn on one axis; Compare refuses to.
//
// Sources: G.107 (06/2015) for the formulae, G.107.1 and G.107.2 (06/2019) for
// the scales; the figures for Opus are in opus.go. Where we differ:
//
//   - What does not come from the network (loudness, room noise, side tone) has
//     its default and is contained in Rmax: 93.2, 129, 148. No talker echo is
//     reckoned with: call software cancels it.
//   - G.107.1 and G.107.2 give their loss formula for random loss only. The burst
//     ratio of G.107 is applied there too.
//   - The delay impairment is scaled with Rmax (as G.107.2 does) on the wideband
//     scale as well, so that a delay costs the same everywhere.
//
// These are planning models. What they say of one call is an indication, good to
// show a trend and to compare two modes on the same scale.
package quality

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Scale is what a score is relative to.
type Scale uint8

// The scales, with the best that each knows.
const (
	Narrowband Scale = iota // G.107: a fixed telephone, up to 3.4 kHz
	Wideband                // G.107.1: up to 7 kHz
	Fullband                // G.107.2: up to 20 kHz
)

var scaleNames = [...]string{"narrowband", "wideband", "fullband"}

// String is the scale's name in lower case.
func (s Scale) String() string {
	if int(s) < len(scaleNames) {
		return scaleNames[s]
	}
	return "unknown"
}

// model holds the constants of a scale.
type model struct {
	rating float64 // Rmax: the best there is
	loss   float64 // what a codec's impairment rises to as everything is lost
	factor float64 // of this scale against that of G.107
}

var models = [...]model{
	Narrowband: {93.2, 95, 1},    // G.107 §7.1, §7.5
	Wideband:   {129, 95, 1.29},  // G.107.1 §6.2, §7.5
	Fullband:   {148, 132, 1.48}, // G.107.2 §6.2, §7.5
}

// Codec is how a codec at a certain rate sounds, on a scale.
type Codec struct {
	Scale Scale
	Ie    float64 // equipment impairment factor: what it costs without loss
	Bpl   float64 // packet-loss robustness: the loss, in percent, that costs half of what is left
	// Estimated: there is no published figure for this rate; the nearest one
	// is used, or one between two.
	Estimated bool
}

// Path is what is measured.
type Path struct {
	Delay time.Duration // mouth to ear, one way, everything included
	Loss  float64       // 0 to 1, of packets, after repair: the share concealed
	// Burst is the burst ratio (G.107 §7.5): the mean length of the bursts in
	// which packets are lost, against that of random loss. 1 for random loss,
	// 0 if unknown, which is taken for 1. See Losses.
	Burst float64
}

// maxBurst bounds the burst ratio: the formula is known to hold up to 8 where
// loss is small (G.107 §7.5).
const maxBurst = 8

// Score is an estimate. The zero value is none.
type Score struct {
	scale     Scale
	rating    float64
	mos       float64
	estimated bool
}

// Scale is what the score is relative to.
func (s Score) Scale() Scale { return s.scale }

// Rating is the transmission rating R, from 0 to the best of the scale (93.2,
// 129 or 148).
func (s Score) Rating() float64 { return s.rating }

// MOS is the mean opinion score on the scale, 1 to 4.5; 0 for no score.
func (s Score) MOS() float64 { return s.mos }

// Estimated says whether the codec's figures were (see Codec).
func (s Score) Estimated() bool { return s.estimated }

// String is the score with its scale: "4.1 wideband".
func (s Score) String() string {
	if s.mos == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %s", s.mos, s.scale)
}

// Compare answers -1, 0 or 1 as a is worse than, as good as or better than b. It
// is false if they cannot be compared: they are of different scales, or one is
// none.
func Compare(a, b Score) (order int, ok bool) {
	if a.scale != b.scale || a.mos == 0 || b.mos == 0 {
		return 0, false
	}
	return cmp.Compare(a.rating, b.rating), true
}

// Estimate answers the score of a codec on a path. Values out of their range
// (NaN too) are taken for the nearest in it; a codec of no known scale has no
// score.
func Estimate(c Codec, p Path) Score {
	if int(c.Scale) >= len(models) {
		return Score{}
	}
	m := models[c.Scale]
	rating := bound(m.rating-m.delay(p.Delay)-m.equipment(c, p), 0, m.rating)
	return Score{c.Scale, rating, opinion(rating / m.factor), c.Estimated}
}

// delay is the impairment Idd by delay alone (G.107 §7.4): nothing up to 100 ms,
// about 1 at 200, 24 at 400.
func (m model) delay(d time.Duration) float64 {
	const unnoticed = 100 * time.Millisecond // mT
	if d <= unnoticed {
		return 0
	}
	x := math.Log2(float64(d) / float64(unnoticed))
	sixth := func(v float64) float64 { return math.Pow(1+math.Pow(v, 6), 1./6) }
	return m.factor * 25 * (sixth(x) - 3*sixth(x/3) + 2)
}

// equipment is the effective equipment impairment Ie,eff (G.107 §7.5).
func (m model) equipment(c Codec, p Path) float64 {
	ie := bound(c.Ie, 0, m.loss)
	percent := 100 * bound(p.Loss, 0, 1)
	if percent == 0 {
		return ie
	}
	burst := p.Burst
	if burst == 0 {
		burst = 1
	}
	burst = bound(burst, 1, maxBurst)
	robust := bound(c.Bpl, 0, 1000)
	// Long bursts would make more than everything of it.
	return ie + (m.loss-ie)*min(1, percent/(percent/burst+robust))
}

// opinion turns a rating on the scale of G.107 into a MOS (G.107 annex B,
// G.107.1 annex A, G.107.2 annex A). The polynomial falls below 1 for small
// ratings, which no opinion does.
func opinion(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return bound(1+0.035*r+r*(r-60)*(100-r)*7e-6, 1, 4.5) // rounding may leave the range
}

// bound answers the nearest value in a range; the lower end for NaN.
func bound(v, low, high float64) float64 {
	if !(v > low) {
		return low
	}
	return min(v, high)
}

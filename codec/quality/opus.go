package quality

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

// point is a figure for Opus at one rate: the impairment factor and the
// robustness against random loss. They are the figures gathered for this
// project, provisional as every such figure in ITU-T G.113 is, and those for
// super-wideband are on the fullband scale. To replace them by better ones
// changes these tables and nothing else.
type point struct {
	rate    units.Rate // of the payload
	ie, bpl float64
}

var (
	narrowPoints = []point{{6 * units.Kbps, 23.0, 24.6}, {8 * units.Kbps, 16.0, 20.3}} // VBR
	widePoints   = []point{{12 * units.Kbps, 23.3, 22.2}}                              // VBR
	fullPoints   = []point{{16 * units.Kbps, 30.2, 11.8}, {25 * units.Kbps, 20.2, 11.3}}

	// narrowConstant: at a constant rate the lowest one is far worse. Its
	// robustness is not known and taken from the variable rate.
	narrowConstant = []point{{6 * units.Kbps, 46.3, 24.6}, {8 * units.Kbps, 16.0, 20.3}}
)

// Opus answers the figures for a bandwidth and the rate of the payload alone
// (without any header), measured over seconds in which somebody spoke. Constant
// says that the encoder holds its rate constant. Between two published rates
// the figures are interpolated; below the lowest and above the highest they are
// its own. In both cases they are marked as estimated.
func Opus(b opuspkt.Bandwidth, rate units.Rate, constant bool) Codec {
	switch {
	case b <= opuspkt.Narrowband && constant:
		return between(Narrowband, narrowConstant, rate)
	case b <= opuspkt.Mediumband: // no scale of its own; it sounds no worse
		return between(Narrowband, narrowPoints, rate)
	case b == opuspkt.Wideband:
		return between(Wideband, widePoints, rate)
	}
	return between(Fullband, fullPoints, rate)
}

// between interpolates in points of rising rate.
func between(scale Scale, points []point, rate units.Rate) Codec {
	codec := func(p point) Codec { return Codec{scale, p.ie, p.bpl, p.rate != rate} }
	for i, p := range points {
		if rate > p.rate {
			continue
		}
		if i == 0 || rate == p.rate {
			return codec(p)
		}
		low := points[i-1]
		share := float64(rate-low.rate) / float64(p.rate-low.rate)
		return Codec{scale, low.ie + share*(p.ie-low.ie), low.bpl + share*(p.bpl-low.bpl), true}
	}
	return codec(points[len(points)-1])
}

// Losses counts what was lost for good, to tell how bursty that is. Feed it the
// packets of a stream in order, after repair. The zero value is ready.
type Losses struct {
	total, lost, bursts uint64
	losing              bool
}

// Add counts one packet.
func (l *Losses) Add(lost bool) {
	l.total++
	if lost {
		l.lost++
		if !l.losing {
			l.bursts++
		}
	}
	l.losing = lost
}

// Path answers the measured loss and burst ratio with a delay.
func (l *Losses) Path(delay time.Duration) Path {
	if l.lost == 0 {
		return Path{Delay: delay, Burst: 1}
	}
	share := float64(l.lost) / float64(l.total)
	// Random loss of a share p comes in bursts of 1/(1-p) packets.
	return Path{delay, share, float64(l.lost) / float64(l.bursts) * (1 - share)}
}

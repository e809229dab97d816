package encoding

import (
	"math"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// thinRate is the least payload rate of a picture that moves: 320x180 at 5
	// frames a second.
	thinRate = 30 * units.Kbps
	// leastShare is the share of a larger layer's rate below which the next
	// smaller one looks better.
	leastShare = 0.6
	// mostRate is beyond what any layer sends.
	mostRate = 100 * units.Mbps
	// usual is a picture's rate at 320x180; it grows slower than the number of
	// pixels does. The web client reckons alike.
	usual          = 150 * units.Kbps
	usualPixels    = 320 * 180
	usualExponent  = 0.75
	usualMost      = 3 * units.Mbps
	usualLeast     = 60 * units.Kbps
	fullFrameRate  = 30
	leastFrameRate = 5
	// stillFrameRate is what is needed to answer a wish for a key frame soon.
	stillFrameRate = 2
	// smoothFrom is the share of a layer's rate from which on the frame rate is
	// left to the encoder.
	smoothFrom = 0.75
	// frameExponent makes the frame rate fall faster than the rate: fewer frames
	// are further apart, and each of them costs more.
	frameExponent = 1.6

	// packetOverhead is what a packet of video adds on the wire: IP, UDP, RTP
	// with the extensions that are usual, SRTP's tag. packetPayload is what a
	// full one carries.
	packetOverhead units.Size = 20 + 8 + 12 + 12 + 16
	packetPayload  units.Size = 1100
)

// usualRate is the payload rate that suits a size; 0 if that is unknown.
func usualRate(width, height uint16) units.Rate {
	pixels := float64(width) * float64(height)
	if pixels == 0 {
		return 0
	}
	r := units.Rate(usual).Scale(math.Pow(pixels/usualPixels, usualExponent))
	return min(max(r, usualLeast), usualMost)
}

// frames knows how many frames a second a rate can fill.
type frames struct {
	most   units.Rate // what the layer uses
	usual  units.Rate // what its size needs for smooth motion
	screen bool
}

// at answers the frame rate to ask for at a payload rate; 0 for no limit.
func (f frames) at(r units.Rate) int {
	if f.most <= 0 || r <= 0 {
		return 0
	}
	share := float64(r) / float64(f.usual)
	if share >= smoothFrom {
		return 0
	}
	if f.screen { // each frame as sharp as ever
		return max(1, int(math.Round(fullFrameRate*share)))
	}
	return max(leastFrameRate, int(math.Round(fullFrameRate*math.Pow(share, frameExponent))))
}

// moves is how many frames a second there are at a payload rate.
func (f frames) moves(r units.Rate) float64 {
	if n := f.at(r); n > 0 {
		return float64(n)
	}
	return fullFrameRate
}

// wire is what a payload rate weighs on the wire.
func (f frames) wire(payload units.Rate) units.Rate {
	return min(payload, mostRate) + f.headers(payload)
}

// headers is what the packets of a payload rate add: each frame has at least one.
func (f frames) headers(payload units.Rate) units.Rate {
	rate := f.at(payload)
	if rate == 0 {
		rate = fullFrameRate
	}
	packets := max(int64(rate), int64(min(payload, mostRate)/(8*units.Rate(packetPayload)))+1)
	return units.Rate(packets) * 8 * units.Rate(packetOverhead)
}

// payload is the payload rate that fits a wire rate.
func (f frames) payload(wire units.Rate) units.Rate {
	guess := min(wire, mostRate)
	for range 3 {
		guess = max(min(wire, mostRate)-f.headers(guess), 0)
	}
	return guess
}

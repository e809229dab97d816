// Package allocator divides what one path carries among the slots of one
// subscriber.
//
// Input is a budget in wire bits per second, what every slot could show
// (Demand: its layers with measured wire rates, how large it is shown, how
// important it is) and what was granted last time. Output is one Grant for
// each demand: the layer to forward, or none, and the reason an operator reads.
//
// The order in which the budget is spent:
//
//  1. voice at its thinnest, always, even when the budget is smaller: the last
//     bit of a link belongs to it;
//  2. the lowest layer of the most important picture, the shared screen or the
//     main speaker, or where that does not fit a still picture now and then;
//  3. better voice modes;
//  4. the lowest layer of every other picture that is looked at, by priority;
//  5. upgrades, by priority x gain of picture for each bit;
//  6. a still picture now and then where no layer fitted.
//
// What is left over then is shared out as Grant.Room: how much more a picture
// could take if its publisher sent more, or for a paused one, at how much it
// could be shown. It is what the publisher is asked for (package encoding).
//
// Two thresholds keep it calm: what was granted before stays as long as it
// fits the budget whole; what was not is taken only when everything granted
// would still fit if the budget were a fifth smaller. So a budget that
// wanders by a tenth either way changes nothing. Nobody is granted a layer
// much larger than what is shown.
//
// The package is pure: same input, same answer; no clock, no allocation beyond
// the caller's slice.
package allocator

import "github.com/rivulet-rtc/rivulet/bwe/units"

// Kind says what a slot carries.
type Kind uint8

// Kinds of demand.
const (
	Voice Kind = iota
	Video
	Screen // sharpness before motion
)

// Paused is the layer of a slot that is granted nothing.
const Paused int8 = -1

// Reason says why a grant is what it is.
type Reason uint8

// Reasons, a closed list. The strings are part of the admin and metrics
// interface.
const (
	Full              Reason = iota // the best layer there is
	FitsView                        // a better layer would be larger than what is shown
	Bandwidth                       // a better layer does not fit the budget
	PausedBandwidth                 // not even the lowest layer fits
	NoSource                        // nobody is in the slot, or nothing is published
	Muted                           // the publisher has muted it
	NotViewed                       // the subscriber does not look at it
	DataMode                        // the subscriber asked for less
	CodecNotSupported               // the subscriber cannot decode it
	Still                           // only a picture now and then fits
	Publisher                       // the publisher cannot send more now
	DataBudget                      // the subscriber's data budget allows no more
	Reasons                         // how many there are
)

var reasonNames = [...]string{
	"full", "fits_view", "bandwidth", "paused_bandwidth", "no_source",
	"muted", "not_viewed", "data_mode", "codec_not_supported",
	"still", "publisher", "data_budget",
}

// String is the reason as operators and clients read it.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Layer is one operating point of a track. Rate is its measured wire rate with
// everything below it that it needs; 0 means that it cannot be had.
type Layer struct {
	Spatial, Temporal int8
	Rate              units.Rate
	// Most is the most that the publisher sends of it; 0 = unknown. Held says
	// that it sends less only because it was asked to.
	Most units.Rate
	Held bool
	// FrameRate is how many frames a second it has, MostFrameRate how many at
	// Most; 0 = unknown.
	FrameRate     float64
	MostFrameRate float64
	Width, Height uint16 // 0 = unknown
}

// Demand is what one slot could use.
type Demand struct {
	Slot     int
	Kind     Kind
	Priority uint8 // larger is more important
	// Width and Height are what is shown, in the pixels of the screen;
	// 0 = unknown.
	Width, Height uint16
	// Layers are sorted by spatial, then by temporal layer.
	Layers []Layer
	// Still is what a still picture now and then costs; 0 = none is wanted.
	Still units.Rate
	Muted bool
	// Rests says that it was lost soon after it came, and does not come back yet;
	// the most important picture does.
	Rests bool
}

// Grant is what one slot gets.
type Grant struct {
	Slot              int
	Spatial, Temporal int8 // both Paused when nothing is granted
	Rate              units.Rate
	// Room is at how much its picture could be shown, Rate included; less than
	// Rate never while it is Active. Voice has none.
	Room units.Rate
	// Still says that only key frames of the lowest layer go on, now and then.
	Still  bool
	Reason Reason
}

// Active says whether anything is granted.
func (g Grant) Active() bool { return g.Spatial != Paused }

package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Ask is what a publisher is asked to encode.
type Ask struct {
	// MaxRate is of payload, headers not counted (RFC 7587 §6.1,
	// maxaveragebitrate).
	MaxRate units.Rate
	// Packet is the packet time (RFC 8866 §6.4).
	Packet time.Duration
	// DTX is to send almost nothing in silence, FEC to repeat speech within the
	// coder's own packets (RFC 7587 §6.1, usedtx and useinbandfec).
	DTX, FEC bool
	// Redundancy is how many earlier packets each packet is to repeat (RFC 2198).
	Redundancy int
}

// wire is what an ask costs while somebody speaks.
func (a Ask) wire(overhead units.Size) units.Rate {
	return a.MaxRate + overhead.Over(a.Packet)
}

// rung is one operating point of a publisher.
type rung struct {
	rate   units.Rate
	packet time.Duration
}

// rungs rise in quality and in cost on the wire.
var rungs = [...]rung{
	{6 * units.Kbps, 120 * time.Millisecond},
	{6 * units.Kbps, 60 * time.Millisecond},
	{8 * units.Kbps, 60 * time.Millisecond},
	{12 * units.Kbps, 60 * time.Millisecond},
	{16 * units.Kbps, 60 * time.Millisecond},
	{24 * units.Kbps, 60 * time.Millisecond},
	{24 * units.Kbps, 20 * time.Millisecond},
	{32 * units.Kbps, 20 * time.Millisecond},
}

const top = len(rungs) - 1

func (r rung) wire(overhead units.Size) units.Rate {
	return Ask{MaxRate: r.rate, Packet: r.packet}.wire(overhead)
}

// quantize is the rate of the best rung within a room, at least the lowest.
func quantize(room units.Rate) units.Rate {
	best := rungs[0].rate
	for _, r := range rungs {
		if r.rate <= room {
			best = max(best, r.rate)
		}
	}
	return best
}

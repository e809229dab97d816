package red

import "github.com/rivulet-rtc/rivulet/codec/opuspkt"

// Frame is one Opus packet that had not been there before.
type Frame struct {
	Timestamp   uint32
	PayloadType uint8
	Redundant   bool // recovered from a later packet
	Data        []byte
}

const (
	// tick is the grain of the window: the shortest Opus frame, 2.5 ms.
	tick = 120
	// ticks is the length of the window: 1.28 s. That is the reach of RED and
	// nearly a second for packets that come late.
	ticks = 512
)

// Window remembers which stretches of one stream have arrived, so that a copy of
// them is not taken for something new. Times are RTP timestamps of 48 kHz. The
// zero value is ready. It remembers 1.28 s; what is older is never new.
//
// A copy may be cut otherwise than what it is a copy of, as when a sender goes
// from 20 to 60 ms: it is new only if nothing of it has arrived.
type Window struct {
	started bool
	newest  int64         // the tick after the newest
	base    uint32        // timestamp of newest, or up to a tick less
	filled  [ticks]uint32 // by tick modulo ticks: tick+1 if filled
}

// farthest is the largest leap that a window follows at once, in ticks: after
// more than a minute it is another stream.
const farthest = 60 * 400

// Fresh says whether no part of a packet has arrived before, and notes that it
// has now. A packet that is no Opus counts as the shortest one.
func (w *Window) Fresh(timestamp uint32, payload []byte) bool {
	length := max(1, int64(opuspkt.Samples(opuspkt.Duration(payload))/tick))
	if !w.started {
		*w = Window{started: true, newest: ticks, base: timestamp}
	}
	// Half a tick less, so that a sender's rounding changes nothing.
	at := w.newest + floor(int32(timestamp-w.base)+tick/2)
	switch leap := at - w.newest; {
	case leap > farthest || leap < -farthest:
		*w = Window{started: true, newest: ticks, base: timestamp}
		at = w.newest
	case leap < -ticks:
		return false
	}
	for i := at; i < at+length; i++ {
		if w.filled[i%ticks] == uint32(i)+1 {
			return false
		}
	}
	for i := at; i < at+length; i++ {
		w.filled[i%ticks] = uint32(i) + 1
	}
	if end := at + length; end > w.newest {
		w.base += uint32(end-w.newest) * tick
		w.newest = end
	}
	return true
}

// floor is units/tick, rounded down.
func floor(units int32) int64 {
	n := int64(units) / tick
	if units < 0 && int64(units)%tick != 0 {
		n--
	}
	return n
}

// Recover appends to dst what is new in one RED payload with that RTP timestamp:
// first what was lost, oldest first, then the primary if it is new and not
// empty. The data refers to the payload. The error is one of Parse, and then
// nothing is appended.
func (w *Window) Recover(dst []Frame, timestamp uint32, payload []byte) ([]Frame, error) {
	p, err := Parse(payload)
	if err != nil {
		return dst, err
	}
	for _, b := range p.Redundant() {
		at := timestamp - uint32(b.Offset)
		// One that would last into the primary is no copy of what was before.
		if len(b.Data) > 0 && uint32(b.Offset) >= max(tick, opuspkt.Samples(opuspkt.Duration(b.Data))) && w.Fresh(at, b.Data) {
			dst = append(dst, Frame{at, b.PayloadType, true, b.Data})
		}
	}
	if len(p.Primary) > 0 && w.Fresh(timestamp, p.Primary) {
		dst = append(dst, Frame{timestamp, p.PayloadType, false, p.Primary})
	}
	return dst, nil
}

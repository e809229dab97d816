// Package pacing decides when the next packet of one path may leave.
//
// It queues by priority (voice, retransmission, video, padding), lets packets
// out at the rate it was told with bursts of at most Config.Burst or one
// packet, and when too much video waits it drops whole frames: half a frame is
// bytes spent on nothing. Voice leaves at once and is owed to the budget, so
// that everything else waits for it. Whoever asks too late, since a timer rang
// late or the machine stalled, gets what was due meanwhile, up to
// Config.MaxLate: else every late call would cost rate, and frames.
//
// Input: Push with a wire size, SetRate. Output: Pop, Next, and onDrop for
// every item that will never be popped. Time is an argument; there is no timer.
package pacing

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Priority orders what waits; the smallest leaves first.
type Priority uint8

// Priorities, first to last.
const (
	Voice Priority = iota
	Retransmission
	Video
	Padding
	priorities
)

// Item is one packet that waits.
type Item[T any] struct {
	Priority Priority
	// Size is what the packet weighs on the wire, IP header included.
	Size units.Size
	// Flow is the slot, from 0 to Config.Flows-1.
	Flow int
	// Frame tells the frames of a flow apart: its RTP timestamp.
	Frame uint32
	// Keyframe marks video that needs nothing before it; it may wait longer
	// and takes the place of older frames of its flow. Marked on one packet, it
	// holds for the rest of the frame.
	Keyframe bool
	// Level is how little others need the frame: its temporal layer. What waits
	// too long loses the highest first.
	Level uint8
	// Value is the caller's.
	Value T
}

// Config bounds a queue.
type Config struct {
	// Rate is the pacing rate to begin with.
	Rate units.Rate
	// Burst is how much may leave back to back, as time at the rate. One
	// packet may always leave, however long it lasts.
	Burst time.Duration
	// MaxLate is how much time that passed while packets waited and nobody
	// called Pop, because the machine was busy, may be made up for at once. The
	// path was idle meanwhile. 0 loses that time.
	MaxLate time.Duration
	// MaxDelay is how much video, and how much retransmission, may wait, as
	// time at the rate.
	MaxDelay time.Duration
	// MaxKeyframeDelay is how much may wait when it is a key frame or a
	// flow's only frame that is waiting.
	MaxKeyframeDelay time.Duration
	// Followers is how much may always wait, in wire bytes, of frames that others
	// refer to. If it is not 0, key frames count apart from MaxDelay: on a thin
	// path one alone takes longer, and were what follows and refers to it dropped,
	// another key frame would be needed, and so on for ever. 0 spares nothing.
	Followers units.Size
	// MaxDebt is how long voice may hold everything else back.
	MaxDebt time.Duration
	// MaxPackets bounds the whole queue.
	MaxPackets int
	// Flows is how many flows there are.
	Flows int
}

// DefaultConfig is what one downlink needs.
func DefaultConfig() Config {
	return Config{
		Rate:             300 * units.Kbps,
		Burst:            5 * time.Millisecond,
		MaxLate:          200 * time.Millisecond,
		MaxDelay:         300 * time.Millisecond,
		MaxKeyframeDelay: 2 * time.Second,
		MaxDebt:          500 * time.Millisecond,
		MaxPackets:       2048,
		Flows:            32,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Rate < 0:
		return fmt.Errorf("pacing: rate %d is negative", c.Rate)
	case c.Burst < 0 || c.Burst > time.Second:
		return fmt.Errorf("pacing: burst %v is outside 0 to 1s", c.Burst)
	case c.MaxLate < 0 || c.MaxLate > time.Second:
		return fmt.Errorf("pacing: lateness %v is outside 0 to 1s", c.MaxLate)
	case c.MaxDelay <= 0 || c.MaxKeyframeDelay < c.MaxDelay || c.MaxKeyframeDelay > time.Minute:
		return fmt.Errorf("pacing: delays %v and %v are not rising within (0, 1m]", c.MaxDelay, c.MaxKeyframeDelay)
	case c.Followers < 0 || c.Followers > maxSize:
		return fmt.Errorf("pacing: followers of %d bytes are outside 0 to %d", c.Followers, maxSize)
	case c.MaxDebt < 0 || c.MaxDebt > time.Minute:
		return fmt.Errorf("pacing: debt %v is outside 0 to 1m", c.MaxDebt)
	case c.MaxPackets < 1 || c.MaxPackets > 1<<20:
		return fmt.Errorf("pacing: %d packets is outside 1 to 2^20", c.MaxPackets)
	case c.Flows < 1 || c.Flows > 1024:
		return errors.New("pacing: flows must be 1 to 1024")
	}
	return nil
}

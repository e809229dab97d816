package bwe

import (
	"math"
	"time"
)

const (
	// sizeClass groups packets by size: each has a base delay of its own, for
	// a large packet takes longer to serialise than a small one (1200 bytes
	// at 80 kbit/s last 120 ms) and that is no queue.
	sizeClass   = 128
	sizeClasses = 12
	// baseBucket is a third of the time over which base delay is a minimum.
	baseBucket = 10 * time.Second
	never      = math.MaxInt64
	// maxShift is the jump of one-way delay that means another clock or path.
	maxShift = 20 * time.Second
)

// delays turns send and arrival times into the wait in the bottleneck. The
// two clocks share no epoch; only differences from the least delay matter.
type delays struct {
	started bool
	last    int64 // one-way delay of the last packet, on no clock in particular
	base    [sizeClasses][3]int64
	low     [sizeClasses]int64 // least of the three
	bucket  int
	rotated int64
	// offset is a standing queue that is not ours (RFC 6817 calls it the
	// latecomer's advantage seen from the other side): our cut does not drain it.
	offset int64
	// noise is how far the least wait of one window lies from the line
	// through its two predecessors, smoothed: jitter that is no queue.
	noise      float64
	prev       [2]int64
	prevFilled int
}

func (d *delays) reset(now int64) {
	*d = delays{rotated: now}
	for c := range d.base {
		for b := range d.base[c] {
			d.base[c][b] = never
		}
		d.low[c] = never
	}
}

// wait answers how long a packet waited, beyond the least that one of its
// size ever took lately. perClass is what one size class takes to serialise at
// the estimate. jumped says that the clock or the path is another one, and
// that everything was begun anew.
func (d *delays) wait(now, sentAt, arrival int64, size int32, perClass int64) (wait int64, jumped bool) {
	oneWay := arrival - sentAt
	if d.started && (oneWay-d.last > int64(maxShift) || d.last-oneWay > int64(maxShift)) {
		d.reset(now)
		jumped = true
	}
	if !d.started {
		d.reset(now)
		d.started = true
	}
	d.last = oneWay
	for now-d.rotated >= int64(baseBucket) {
		d.rotate()
		if now-d.rotated > 4*int64(baseBucket) {
			d.rotated = now
		} else {
			d.rotated += int64(baseBucket)
		}
	}
	class := min(int(size)/sizeClass, sizeClasses-1)
	if oneWay < d.base[class][d.bucket] {
		d.base[class][d.bucket] = oneWay
		d.low[class] = min(d.low[class], oneWay)
	}
	return oneWay - d.least(class, perClass) - d.offset, jumped
}

// least is the base delay of a size class. It is no larger than that of larger
// packets, nor than that of smaller ones plus what the difference takes to
// serialise, so that a size first seen in a full queue does not hide it.
func (d *delays) least(class int, perClass int64) int64 {
	least := int64(never)
	for c, v := range d.low {
		if v == never {
			continue
		}
		if c < class {
			v += int64(class-c) * perClass
		}
		least = min(least, v)
	}
	return least
}

// rotate begins a new bucket and forgets the oldest.
func (d *delays) rotate() {
	d.bucket = (d.bucket + 1) % 3
	for c := range d.base {
		d.base[c][d.bucket] = never
		d.low[c] = min(d.base[c][0], d.base[c][1], d.base[c][2])
	}
}

// watch follows the noise of the windows' least waits.
func (d *delays) watch(least int64) {
	if d.prevFilled == 2 {
		bend := math.Abs(float64(least - 2*d.prev[1] + d.prev[0]))
		// White noise of mean deviation m bends by 2.45 m.
		bend = min(bend/2.45, float64(40*time.Millisecond))
		d.noise += (bend - d.noise) * 0.06
	} else {
		d.prevFilled++
	}
	d.prev[0], d.prev[1] = d.prev[1], least
}

// adopt takes a wait for the path's own from now on.
func (d *delays) adopt(wait int64) { d.offset += max(0, wait) }

// release gives an adopted wait back as far as it is gone.
func (d *delays) release(least int64) {
	if d.offset > 0 && least < 0 {
		d.offset = max(0, d.offset+least)
	}
}

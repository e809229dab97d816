package bwe

import (
	"math"
	"time"
)

const (
	// sizeClass groups packets by size: each has a base delay of its own, for
	// a large packet takes longer to serialise than a small one (1200 bytes
	// at 80 kbit/s last 120 ms) and that is no queue.
	sizeClass   = 64
	sizeClasses = 24
	// baseBucket is a third of the time over which base delay is a minimum.
	baseBucket = 10 * time.Second
	never      = math.MaxInt64
	// maxShift is the jump of one-way delay that means another clock or path.
	maxShift = 20 * time.Second
	// falseWait is how much longer than the whole round trip a wait may seem, by clocks
	// that drift and arrival times that are rounded.
	falseWait = 100 * time.Millisecond
	// mostNoise keeps one delay spike from passing for jitter, and so does
	// noiseStep where the jitter is larger: a sample counts as no more than so many
	// times what is usual. topNoise is beyond any radio's jitter.
	mostNoise = float64(40 * time.Millisecond)
	noiseStep = 3
	topNoise  = float64(250 * time.Millisecond)
)

// delays turns send and arrival times into the wait in the bottleneck. The
// two clocks share no epoch; only differences from the least delay matter.
type delays struct {
	started bool
	paired  bool  // two classes are one: above TCP few packets tell the base
	last    int64 // one-way delay of the last packet, on no clock in particular
	base    [sizeClasses][3]int64
	low     [sizeClasses]int64 // least of the three
	bucket  int
	rotated int64
	// offset is a standing queue that is not ours (RFC 6817 calls it the
	// latecomer's advantage seen from the other side): our cut does not drain it.
	offset int64
	// noise is the jitter that is no queue: how far a wait, less what our own
	// packets before it explain, lies from the line through the two before,
	// smoothed.
	noise  float64
	square float64
	// level is the least wait, smoothed over a few reports; calm the least of
	// that in each bucket: what jitter leaves of a wait when there is no queue.
	level float64
	calm  [3]float64
	// mean and usual are the same for single packets.
	mean      float64
	usual     [3]float64
	spread    float64 // how far least waits lie from a line, like noise
	leasts    [2]float64
	leastSeen int
	own       float64 // wait that our own packets cause
	ownAt     int64
	ownSize   int32
	rest      [2][2]float64
	restSeen  int
}

func (d *delays) reset(now int64) {
	*d = delays{rotated: now, paired: d.paired}
	for c := range d.base {
		for b := range d.base[c] {
			d.base[c][b] = never
		}
		d.low[c] = never
	}
	for b := range d.calm {
		d.calm[b], d.usual[b] = never, never
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
	if d.paired {
		class |= 1
	}
	if oneWay < d.base[class][d.bucket] {
		d.base[class][d.bucket] = oneWay
		d.low[class] = min(d.low[class], oneWay)
	}
	least := d.least(class, perClass)
	if oneWay-least > now-sentAt+int64(falseWait) {
		// Nothing waits longer than until its report is here: the base is of another
		// clock, or a lie, and would be a queue of seconds for half a minute.
		d.reset(now)
		d.started, d.last = true, oneWay
		d.base[class][d.bucket], d.low[class] = oneWay, oneWay
		return 0, true
	}
	return oneWay - least - d.offset, jumped
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
	d.calm[d.bucket], d.usual[d.bucket] = never, never
	for c := range d.base {
		d.base[c][d.bucket] = never
		d.low[c] = min(d.base[c][0], d.base[c][1], d.base[c][2])
	}
}

// watch follows the jitter. perByte is what a byte takes at the estimate, in
// nanoseconds.
func (d *delays) watch(sentAt, wait int64, size int32, perByte float64) {
	d.own = max(0, d.own+float64(d.ownSize)*perByte-float64(sentAt-d.ownAt))
	d.ownAt, d.ownSize = sentAt, size
	w := float64(wait)
	v := [2]float64{w, w - d.own}
	if d.restSeen < 2 {
		d.restSeen++
	} else {
		// The estimate may be far below what the path carries, and then our
		// packets cause no wait: the straighter of the two lines is right.
		bend := ceiling(d.noise)
		for i := range v {
			// White noise of deviation m bends by 2.45 m.
			bend = min(bend, math.Abs(v[i]-2*d.rest[1][i]+d.rest[0][i])/2.45)
		}
		d.square += (bend*bend - d.square) / 40
		d.noise = math.Sqrt(d.square)
	}
	d.rest[0], d.rest[1] = d.rest[1], v
	d.mean += (float64(wait) - d.mean) / 12
	d.usual[d.bucket] = min(d.usual[d.bucket], d.mean)
}

// ceiling is what one sample of jitter may count as, where noise is usual.
func ceiling(noise float64) float64 { return min(max(mostNoise, noiseStep*noise), topNoise) }

// jitter is the wait beyond which a packet was held up by a queue: more than
// is usual at the calmest, but no more than the noise explains.
func (d *delays) jitter() int64 {
	usual := min(d.usual[0], d.usual[1], d.usual[2])
	return int64(min(max(0, usual)+d.noise, 6*d.noise))
}

// settle takes the least wait of one report and answers how much of such a
// wait is jitter: what there was at the calmest and twice the spread since,
// but no more than the noise of single packets explains.
func (d *delays) settle(least int64) int64 {
	v := float64(least)
	if d.leastSeen < 2 {
		d.leastSeen++
	} else {
		bend := min(math.Abs(v-2*d.leasts[1]+d.leasts[0])/2.45, ceiling(d.spread))
		d.spread += (bend - d.spread) * 0.06
	}
	d.leasts[0], d.leasts[1] = d.leasts[1], v
	d.level += (v - d.level) * 0.3
	d.calm[d.bucket] = min(d.calm[d.bucket], d.level)
	calm := min(d.calm[0], d.calm[1], d.calm[2])
	return int64(min(max(0, calm)+2*d.spread, 2*d.noise))
}

// adopt takes a wait for the path's own from now on.
func (d *delays) adopt(wait int64) { d.offset += max(0, wait) }

// release gives an adopted wait back as far as it is gone.
func (d *delays) release(least int64) {
	if d.offset > 0 && least < 0 {
		d.offset = max(0, d.offset+least)
	}
}

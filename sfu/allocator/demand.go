package allocator

import (
	"math"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// lowest is the first layer that is being sent; -1 when there is none.
func (d *Demand) lowest() int {
	for i := range d.Layers {
		if d.Layers[i].Rate > 0 {
			return i
		}
	}
	return -1
}

// highest is the last layer that is being sent; -1 when there is none.
func (d *Demand) highest() int {
	for i := len(d.Layers) - 1; i >= 0; i-- {
		if d.Layers[i].Rate > 0 {
			return i
		}
	}
	return -1
}

// index is where a layer stands: the last one not above it, so that a layer
// that has disappeared is remembered by the place it had. -1 when all are above.
func (d *Demand) index(spatial, temporal int8) int {
	at := -1
	for i := range d.Layers {
		l := &d.Layers[i]
		if l.Spatial > spatial || l.Spatial == spatial && l.Temporal > temporal {
			break
		}
		at = i
	}
	return at
}

// weight is what a picture counts beside others, by its priority.
func (d *Demand) weight() float64 { return 1 + float64(d.Priority) }

// coverage is the share of the shown pixels, in percent, from which on a layer
// is good enough: 85 % of width and height. Beyond it bits buy pixels that the
// screen throws away.
const coverage = 72

// limit is the best layer that the view can use: the last one of the smallest
// resolution that covers what is shown. -1 when nothing is being sent.
func (d *Demand) limit() int {
	shown := uint64(d.Width) * uint64(d.Height)
	best, covered := -1, int8(-1)
	for i := range d.Layers {
		l := &d.Layers[i]
		if covered >= 0 && l.Spatial > covered {
			break
		}
		if l.Rate <= 0 {
			continue
		}
		best = i
		pixels := uint64(l.Width) * uint64(l.Height)
		if shown > 0 && pixels > 0 && pixels*100 >= shown*coverage {
			covered = l.Spatial
		}
	}
	return best
}

// most is the most that the publisher sends of a spatial layer; MaxRate when
// that is not known.
func (d *Demand) most(spatial int8) units.Rate {
	most := units.Rate(0)
	for i := range d.Layers {
		if l := &d.Layers[i]; l.Spatial == spatial {
			most = max(most, l.Most)
		}
	}
	if most == 0 {
		return units.MaxRate
	}
	return most
}

// motion is what a temporal layer is worth beside the full frame rate, by how
// many halvings it lies below. A face moves: at a quarter of the frames it is
// worth no more than half as wide at half of them. A screen is read.
var motion = [2][4]float64{
	{1, 0.80, 0.40, 0.25},
	{1, 0.96, 0.92, 0.88},
}

// halvings is motion of a face whose frame rate is known, by how often it is half of
// fullFrameRate: it is 5 frames a second that look poor, not a quarter of what there
// is. Below 10 a picture half as wide and high looks better, if that moves.
var halvings = [...]float64{1, 0.80, 0.40, 0.20, 0.10, 0.05}

const fullFrameRate = 30

// moves is what the frame rate of the layer at i is worth where there is room for
// so much of it, 0 to 1.
func (d *Demand) moves(i int, room units.Rate) float64 {
	l := &d.Layers[i]
	if frames := l.frameRate(room); frames > 0 && d.Kind != Screen {
		below := min(max(math.Log2(fullFrameRate/frames), 0), float64(len(halvings)-1))
		at := min(int(below), len(halvings)-2)
		return halvings[at] + (halvings[at+1]-halvings[at])*(below-float64(at))
	}
	top := l.Temporal
	for j := i + 1; j < len(d.Layers) && d.Layers[j].Spatial == l.Spatial; j++ {
		if o := &d.Layers[j]; o.Rate > 0 {
			top = max(top, o.Temporal)
		}
	}
	row := &motion[0]
	if d.Kind == Screen {
		row = &motion[1]
	}
	return row[min(int(top)-int(l.Temporal), len(row)-1)]
}

// frameRate is how many frames a second the layer has where there is room for so
// much of it. Of one that is held back that is what its publisher is about to be
// asked for, not what it was told when nobody had the room; 0 = unknown.
func (l *Layer) frameRate(room units.Rate) float64 {
	if !l.Held || l.Most <= l.Rate || room <= l.Rate || !(l.MostFrameRate > l.FrameRate) {
		return l.FrameRate
	}
	share := float64(min(room, l.Most)-l.Rate) / float64(l.Most-l.Rate)
	return l.FrameRate + (l.MostFrameRate-l.FrameRate)*share
}

// value is how good the layer at i looks where it is shown and there is room for
// so much of it: the side of the picture in pixels, less what a lower frame rate
// takes away. Pixels beyond what is shown count nothing.
func (d *Demand) value(i int, room units.Rate) float64 {
	l := &d.Layers[i]
	if d.Kind == Voice {
		return float64(i + 1)
	}
	pixels := float64(l.Width) * float64(l.Height)
	if pixels == 0 { // unknown: 180p, and four times more with each layer
		pixels = 320 * 180 * math.Pow(4, float64(l.Spatial))
	}
	if shown := float64(d.Width) * float64(d.Height); shown > 0 {
		pixels = math.Min(pixels, shown)
	}
	return math.Sqrt(pixels) * d.moves(i, room)
}

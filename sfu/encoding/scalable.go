package encoding

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A scalable track is one stream with all layers inside (W3C webrtc-svc). Each
// layer inside is wanted, measured and priced like one of simulcast; what the
// publisher is told is one Encoding: how many layers from the smallest up to
// the largest that somebody wants, and what the stream may use with them.

const (
	// lingerInside is linger of a layer inside a stream: browsers begin the whole
	// stream anew, with a key frame, to leave one out or take one in.
	lingerInside = 4 * time.Second
	// mostShare bounds how much a stream weighs beside its largest layer with all
	// that this needs; in L3T3_KEY it is about one and a half.
	mostShare = 3.0
)

// SetScalable says that the track is one stream with layers of these sizes
// inside, from small to large; 0 = unknown. Fewer than before are those that the
// publisher sends now, not all that it could. At most MaxLayers count.
func (t *Track) SetScalable(now time.Time, sizes []Layer) {
	if !t.scalable {
		t.scalable = true
		t.layers[0].Most = 0 // what was announced is of the whole stream
		t.layers = t.layers[:1]
		t.told = t.layers[0].told
	}
	for i, size := range sizes[:min(len(sizes), MaxLayers)] {
		if i == len(t.layers) {
			t.layers = append(t.layers, layer{wantedAt: now, since: now, told: Encoding{Active: t.layers[0].told.Active}})
		}
		l := &t.layers[i]
		if size.Width == 0 || size.Width == l.Width && size.Height == l.Height {
			continue
		}
		l.Width, l.Height = size.Width, size.Height
		l.most, l.told.Rate, l.told.FrameRate = usualRate(size.Width, size.Height), 0, 0
		l.settle(i == 0, t.cfg.Screen)
	}
}

// Scalable says whether SetScalable was called.
func (t *Track) Scalable() bool { return t.scalable }

// Layers appends the sizes of all layers to dst, those that are off too.
func (t *Track) Layers(dst []Layer) []Layer {
	for i := range t.layers {
		dst = append(dst, t.layers[i].Layer)
	}
	return dst
}

// lower has the layer beneath go on where one that somebody wants is not to be
// had: nobody is to lose the whole stream over it.
func (t *Track) lower(now time.Time, wants *[MaxLayers]want) {
	for i := len(t.layers) - 1; i > 0; i-- {
		if w := &wants[i]; (w.moving || w.kept) && t.blocked(now, i) {
			wants[i-1].kept = true
		}
	}
}

// whole is how the one stream of a scalable track is to be sent.
func (t *Track) whole() Encoding {
	top := t.top()
	if top < 0 {
		return Encoding{}
	}
	l, source := &t.layers[top], &t.layers[len(t.layers)-1]
	e := Encoding{Active: true, FrameRate: l.told.FrameRate}
	if top < len(t.layers)-1 {
		e.Spatials = top + 1
		if l.Width > 0 && source.Width > l.Width {
			e.Scale = float64(source.Width) / float64(l.Width)
		}
	}
	// Who cannot leave layers out does so for want of bits.
	if e.Spatials > 0 || l.told.Rate > 0 {
		e.Rate = t.wholeRate(top)
	}
	return e
}

// wholeRate is the payload rate of the stream up to a layer, as that is told;
// 0 = unknown.
func (t *Track) wholeRate(top int) units.Rate {
	l := &t.layers[top]
	return min(l.told.ceiling(l.most).Scale(t.share(top)), mostRate)
}

// share is how much the stream weighs beside the layer at top with all that it
// needs: more, where smaller ones are sent beside it.
func (t *Track) share(top int) float64 {
	l := &t.layers[top]
	switch {
	case top == 0, l.most <= 0:
		return 1
	case l.share > 0:
		return l.share
	}
	sum := units.Rate(0)
	for i := range top + 1 {
		sum += t.layers[i].most
	}
	return min(max(float64(sum)/float64(l.most), 1), mostShare)
}

// weigh takes in what the whole stream weighs, on the wire, once what was measured
// is all from behind its last change of layers.
func (t *Track) weigh(now time.Time, stream units.Rate) {
	if now.Sub(t.toldAt) < trust {
		return
	}
	for i := len(t.layers) - 1; i > 0; i-- { // the smallest alone weighs what it weighs
		l := &t.layers[i]
		if !l.measured.Active || l.measured.top() <= 0 {
			continue
		}
		if share := min(max(float64(stream)/float64(l.measured.top()), 1), mostShare); l.share == 0 {
			l.share = share
		} else {
			l.share += (share - l.share) / 4
		}
		return
	}
}

// gather answers whether what a scalable publisher is told is another than
// before, now that its layers are decided.
func (t *Track) gather(now time.Time) (changed bool) {
	next := t.whole()
	if next.Spatials != t.told.Spatials || next.Active != t.told.Active {
		t.toldAt = now
	}
	if was := t.told; was.Rate > 0 && next.Rate >= was.Rate.Scale(lowerFrom) && next.Rate <= was.Rate.Scale(raiseFrom) && next.Spatials == was.Spatials {
		next.Rate = was.Rate // its share has moved, nothing else
	}
	changed = next != t.told
	t.told = next
	return changed
}

package encoding

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Rates appends the operating points that subscribers may be granted to dst,
// from small to large. A layer that is off is one point at the price for which
// it would be switched on.
func (t *Track) Rates(now time.Time, dst []Rate) []Rate {
	for i := range t.layers {
		if t.blocked(now, i) {
			dst = append(dst, Rate{Spatial: int8(i)})
			continue
		}
		// Of a scalable stream the largest layer alone is made as it is told: what a
		// smaller one weighs, the encoder decides.
		held := t.cfg.Obeys && (!t.scalable || i >= t.top())
		dst = t.layers[i].rates(now, int8(i), t.cfg.Obeys, held, dst)
	}
	return dst
}

func (l *layer) rates(now time.Time, spatial int8, obeys, held bool, dst []Rate) []Rate {
	m := &l.measured
	switch {
	case m.Active && m.Count > 0:
		return l.running(now, spatial, obeys, held, dst)
	case l.most > 0:
		return append(dst, Rate{
			Spatial: spatial, Temporal: Whole, Rate: l.price(),
			Most: l.frame.wire(l.most), Held: true,
			FrameRate: l.frame.moves(l.frame.payload(l.price())), MostFrameRate: l.frame.moves(l.most),
		})
	}
	return dst // not known: whoever asks assumes something
}

// price is the wire rate for which the layer would be switched on, or with which it is
// on its way.
func (l *layer) price() units.Rate {
	if l.told.Active && l.told.Rate > 0 {
		return l.frame.wire(l.told.Rate)
	}
	return l.frame.wire(l.least)
}

// running are the operating points of a layer that is being sent; held says that
// its publisher keeps it to what it was told.
func (l *layer) running(now time.Time, spatial int8, obeys, held bool, dst []Rate) []Rate {
	m := &l.measured
	share := 1.0
	if cap := l.told.Rate; held && cap > 0 {
		if told := l.frame.wire(cap); told < m.top() {
			share = float64(told) / float64(m.top())
			// What was measured is from before, or a peak; or else it does not keep
			// to what it was told.
			if now.Sub(l.lowered) >= trust {
				share = max(share, peak)
			}
		}
	}
	if price := l.price(); obeys && !l.turned.IsZero() && now.Sub(l.turned) < turning && m.top() > 0 && m.top() < price {
		share = float64(price) / float64(m.top()) // only part of it was counted, or it fades
	}
	last, first := units.Rate(0), len(dst)
	for temporal, r := range m.Rates[:m.Count] {
		if r = r.Scale(share); temporal > 0 && r <= last {
			break // this temporal layer is not sent
		}
		last = r
		dst = append(dst, Rate{Spatial: spatial, Temporal: int8(temporal), Rate: r})
	}
	if m.Interval > 0 {
		perSecond := float64(time.Second) / float64(m.Interval)
		for i := len(dst) - 1; i >= first; i-- { // each temporal layer below has half as many
			dst[i].FrameRate = perSecond
			perSecond /= 2
		}
	}
	if obeys && l.most > 0 {
		top := &dst[len(dst)-1]
		top.Most, top.Held, top.MostFrameRate = l.frame.wire(l.most), l.told.Rate > 0, l.frame.moves(l.most)
	}
	return dst
}

// Cap is the most that is worth receiving of the whole track, as a wire rate:
// what a publisher that does not obey could be held to. MaxRate for no limit.
func (t *Track) Cap() units.Rate {
	top := t.top()
	first := &t.layers[0]
	if t.muted || first.most <= 0 {
		return units.MaxRate
	}
	if top == len(t.layers)-1 && t.layers[top].told.Rate == 0 {
		return units.MaxRate // the best is wanted: so is whatever comes
	}
	if t.scalable && top >= 0 {
		if t.layers[top].most <= 0 {
			return units.MaxRate
		}
		return first.frame.wire(t.wholeRate(top))
	}
	// Something is let through even if nobody watches: an estimate that was held at
	// nothing takes long to come back.
	if top < 0 {
		return first.frame.wire(min(first.most, usual))
	}
	// Smaller layers come first whether they are wanted or not.
	var sum units.Rate
	for i := range top + 1 {
		l := &t.layers[i]
		rate := l.most
		if i == top {
			rate = l.told.ceiling(l.most)
		}
		sum += l.frame.wire(rate)
	}
	return sum
}

// Watched says whether anything of the track is asked for.
func (t *Track) Watched() bool { return t.top() >= 0 }

// top is the largest layer that is asked for, -1 for none.
func (t *Track) top() int {
	for i := len(t.layers) - 1; i >= 0; i-- {
		if t.layers[i].told.Active {
			return i
		}
	}
	return -1
}

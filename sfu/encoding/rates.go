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
		dst = t.layers[i].rates(now, int8(i), t.cfg.Obeys, t.begun, dst)
	}
	return dst
}

func (l *layer) rates(now time.Time, spatial int8, obeys, begun bool, dst []Rate) []Rate {
	m := &l.measured
	switch {
	case l.blockedUntil.After(now):
		return append(dst, Rate{Spatial: spatial})
	case m.Active && m.Count > 0:
		return l.running(now, spatial, obeys, dst)
	case obeys && l.most > 0:
		price := l.least
		if l.told.Active && l.told.Rate > 0 { // on its way
			price = l.told.Rate
		}
		return append(dst, Rate{
			Spatial: spatial, Temporal: Whole, Rate: l.frame.wire(price),
			Most: l.frame.wire(l.most), Held: true,
		})
	case !begun || obeys:
		return dst // not known: whoever asks assumes something
	}
	return append(dst, Rate{Spatial: spatial})
}

// running are the operating points of a layer that is being sent.
func (l *layer) running(now time.Time, spatial int8, obeys bool, dst []Rate) []Rate {
	m := &l.measured
	share := 1.0
	if cap := l.told.Rate; obeys && cap > 0 && now.Sub(l.lowered) < trust {
		// What was measured is from before.
		if told := l.frame.wire(cap); told < m.top() {
			share = float64(told) / float64(m.top())
		}
	}
	last := units.Rate(0)
	for temporal, r := range m.Rates[:m.Count] {
		if r = r.Scale(share); temporal > 0 && r <= last {
			break // this temporal layer is not sent
		}
		last = r
		dst = append(dst, Rate{Spatial: spatial, Temporal: int8(temporal), Rate: r})
	}
	if obeys && l.most > 0 {
		top := &dst[len(dst)-1]
		top.Most, top.Held = l.frame.wire(l.most), l.told.Rate > 0
	}
	return dst
}

// Cap is the most that is worth receiving of the whole track, as a wire rate:
// what a publisher that does not obey could be held to. MaxRate for no limit.
func (t *Track) Cap() units.Rate {
	if t.muted {
		return units.MaxRate
	}
	sum := units.Rate(0)
	for i, w := range t.wants() {
		if i >= len(t.layers) {
			break
		}
		l := &t.layers[i]
		switch {
		case !w.moving && !w.still && !w.kept:
			continue
		case l.most <= 0:
			return units.MaxRate
		case w.moving && i == len(t.layers)-1:
			return units.MaxRate // the best is wanted: so is whatever comes
		case w.moving:
			sum += min(max(w.room, l.frame.wire(l.least)), l.frame.wire(l.most))
		default:
			sum += l.frame.wire(l.least)
		}
	}
	// Smaller layers come first whether they are wanted or not.
	for i, w := range t.wants() {
		if i < len(t.layers) && !w.moving && t.wantedAbove(i) {
			sum += t.layers[i].frame.wire(t.layers[i].most)
		}
	}
	return sum
}

// wantedAbove says whether anybody watches a layer larger than i.
func (t *Track) wantedAbove(i int) bool {
	wants := t.wants()
	for j := i + 1; j < len(t.layers); j++ {
		if wants[j].moving {
			return true
		}
	}
	return false
}

package encoding

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// want is what all subscribers together want of a layer.
type want struct {
	moving bool // somebody watches it
	still  bool // somebody takes key frames of it
	kept   bool // somebody is on it until another begins
	room   units.Rate
	part   bool // who has so much room gets only some of its frames
}

// take notes a subscriber's room.
func (w *want) take(room units.Rate, part bool) {
	w.moving = true
	if room > w.room {
		w.room, w.part = room, part
	}
}

// wants sums the wishes up. Those who get nothing for want of bandwidth count
// for the lowest layer: they could be shown it if it were thin enough.
func (t *Track) wants() (all [MaxLayers]want) {
	for _, w := range t.wishes {
		if i := int(w.Current); i >= 0 && i < len(t.layers) {
			all[i].kept = true
		}
		i := int(w.Spatial)
		switch {
		case i >= len(t.layers):
		case w.Still && i >= 0:
			all[i].still = true
			if i == 0 {
				t.wait(&all[0], w.Room)
			}
		case i >= 0:
			all[i].take(w.Room, w.Part)
		case w.Room > 0 && t.layers[0].most > 0:
			t.wait(&all[0], w.Room)
		}
	}
	return all
}

// wait notes one who could be shown the lowest layer, and gets nothing of it or key
// frames alone. Of a publisher that does not obey, what fills all of the room would
// not be granted: who waits would wait for ever.
func (t *Track) wait(lowest *want, room units.Rate) {
	if l := &t.layers[0]; room < l.frame.wire(l.least) {
		return
	}
	if !t.cfg.Obeys {
		room = room.Scale(granted)
	}
	lowest.take(room, false)
}

// Measure takes in what comes, layer by layer; call it a few times a second.
// alive says that the publisher was heard of lately, by whatever packet.
func (t *Track) Measure(now time.Time, alive bool, layers []Measured) {
	for i := range t.layers {
		l := &t.layers[i]
		l.measured = Measured{}
		if i < len(layers) {
			l.measured = layers[i]
			l.measured.Count = min(max(l.measured.Count, 0), Temporals)
		}
		t.fills(now, i)
		if !l.measured.Active {
			l.comesSince = time.Time{}
			continue
		}
		t.begun = true
		l.seenAt = now
		l.learn(i == 0, t.cfg.Screen)
		if l.comesSince.IsZero() {
			l.comesSince = now
		}
		if l.block > 0 && now.Sub(l.comesSince) >= forgive {
			l.block = 0
		}
	}
	if t.scalable && len(layers) > 0 {
		t.weigh(now, layers[0].Stream)
	}
	if !alive || !t.begun || t.muted {
		for i := range t.layers { // the time does not count
			l := &t.layers[i]
			l.since = maxTime(l.since, now)
		}
		return
	}
	// A smaller layer that does not come while a larger one does is the
	// publisher's own choice; it is only the larger ones that cost too much.
	// The smallest is asked for in any case: there is nothing else.
	for i := 1; i < len(t.layers); i++ {
		l := &t.layers[i]
		asked := l.told.Active || t.scalable && i < t.top()
		if t.starved(now, i) {
			l.refuse(now)
		}
		if !asked || l.measured.Active || t.comesAbove(i) {
			continue
		}
		patience, from := settle, l.since
		if l.seenAt.After(l.since) { // it came, and came to an end
			patience, from = stopped, l.seenAt
		}
		if now.Sub(from) >= patience {
			l.refuse(now)
		}
	}
}

// fills notes whether a layer comes with all that it may use. When it begins to, its
// publisher's uplink carries more than before: the next larger one is worth a try.
func (t *Track) fills(now time.Time, i int) {
	l := &t.layers[i]
	rate := l.frame.payload(l.measured.top())
	switch {
	case !l.measured.Active || l.most <= 0 || rate < l.most.Scale(hungryFrom):
		l.filled = false
	case !l.filled && l.told.Rate == 0 && rate >= l.most.Scale(filledFrom):
		l.filled = true
		if i < len(t.layers)-1 && t.layers[i+1].blockedUntil.After(now) {
			t.layers[i+1].blockedUntil = now
		}
	}
}

// refuse has a layer not asked for for a while, longer each time.
func (l *layer) refuse(now time.Time) {
	l.block = min(max(2*l.block, firstBlock), lastBlock)
	l.blockedUntil, l.starvesSince = now.Add(l.block), time.Time{}
}

// starved says whether a layer has long come with so few bits that a smaller one
// looks better, and because the publisher's uplink carries no more, not because
// there is little to see: the next larger one did not come, or frames come in fits
// and starts though nobody asked for so few. What is read is sent when it changes.
func (t *Track) starved(now time.Time, i int) bool {
	l := &t.layers[i]
	m := &l.measured
	few := l.told.FrameRate == 0 && m.Interval >= starving && !t.cfg.Screen
	thin := few || i < len(t.layers)-1 && t.limited(now, i)
	if !m.Active || !l.told.Active || !thin || m.top() >= l.frame.wire(l.least) {
		l.starvesSince = time.Time{}
		return false
	}
	if l.starvesSince.IsZero() {
		l.starvesSince = now
	}
	return now.Sub(l.starvesSince) >= starves
}

// blocked says whether the layer at i is not to be had now. What is larger than
// one that the publisher cannot do is not tried either.
func (t *Track) blocked(now time.Time, i int) bool {
	for j := 1; j <= i; j++ {
		if t.layers[j].blockedUntil.After(now) {
			return true
		}
	}
	return false
}

// learn takes the layer's rate from what comes where it was not announced.
func (l *layer) learn(lowest, screen bool) {
	if l.Most > 0 {
		return
	}
	most := max(l.most, usualRate(l.measured.Width, l.measured.Height))
	if l.told.Rate == 0 { // as the publisher likes
		most = max(most, min(l.frame.payload(l.measured.top()), mostRate))
	}
	if most > l.most {
		l.most = most
		l.settle(lowest, screen)
	}
}

// comesAbove says whether a layer larger than i comes.
func (t *Track) comesAbove(i int) bool {
	for j := i + 1; j < len(t.layers); j++ {
		if t.layers[j].measured.Active {
			return true
		}
	}
	return false
}

// Decide answers whether the encodings are to be others than before. Call it
// after Want, Leave and Measure.
func (t *Track) Decide(now time.Time) (changed bool) {
	if t.muted {
		return false
	}
	wants, patience := t.wants(), linger
	if t.scalable {
		patience = lingerInside
		t.lower(now, &wants)
	}
	t.keep(&wants)
	for i := range t.layers {
		l, w := &t.layers[i], &wants[i]
		blocked := t.blocked(now, i)
		wanted := w.moving || w.still || w.kept
		if wanted {
			l.wantedAt = now
		}
		active := !blocked && (wanted || now.Sub(l.wantedAt) < patience)
		next := l.told
		next.Active = active
		switch {
		case active && (w.moving || w.still):
			l.limit(now, w, &next, active != l.told.Active)
		case t.scalable && !active: // it may be sent all the same, beneath another
			next.Rate, next.FrameRate, l.moving = 0, 0, steady
		default:
			l.moving = steady
		}
		if active && t.limited(now, i) {
			next.FrameRate = l.thinned(next)
		}
		if next == l.told {
			continue
		}
		if next.Active != l.told.Active {
			if l.since = now; !t.scalable {
				l.turned = now
			}
		}
		if next.ceiling(l.most) < l.told.ceiling(l.most) {
			l.lowered = now
		}
		l.told, changed = next, true
	}
	if t.scalable {
		return t.gather(now)
	}
	return changed
}

// keep holds on to the largest layer that comes below one that is wanted and does
// not come yet: on a thin uplink it may never, and alone it would come anyhow.
func (t *Track) keep(wants *[MaxLayers]want) {
	coming := -1
	for i := range t.layers {
		w := &wants[i]
		switch {
		case t.layers[i].measured.Active:
			coming = i
		case coming >= 0 && (w.moving || w.still):
			wants[coming].kept = true
		}
	}
}

// ceiling is the rate that an encoding may use, of a layer that uses most.
func (e Encoding) ceiling(most units.Rate) units.Rate {
	if e.Rate > 0 {
		return e.Rate
	}
	return most
}

// limit holds the layer to what its best receiver has room for.
func (l *layer) limit(now time.Time, w *want, next *Encoding, begins bool) {
	if l.most <= 0 {
		l.moving = steady
		return
	}
	rate, share := l.least, fill
	if w.part {
		share = partFill
	}
	if w.moving {
		rate = max(l.frame.payload(w.room.Scale(share)), l.least)
	}
	told := l.told.ceiling(l.most)
	switch {
	case rate >= l.most.Scale(freed), rate >= l.most.Scale(lowerFrom) && (begins || told == l.most) && !w.part:
		rate = l.most
	case w.part:
		rate = min(rate, l.most.Scale(partFill/fill))
	default:
		rate = min(rate, l.most.Scale(lowerFrom))
	}
	rate = l.settled(now, rate, told, begins)
	next.Rate, next.FrameRate = rate, l.frame.at(rate)
	if rate == l.most {
		next.Rate = 0
	}
	if !w.moving {
		next.FrameRate = stillFrameRate
	}
}

// Next is when a rate changes if nothing else does, and Decide should be called
// again; zero for never.
func (t *Track) Next() (next time.Time) {
	for i := range t.layers {
		l := &t.layers[i]
		if l.moving == steady {
			continue
		}
		if at := l.moveSince.Add(l.moving.patience()); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// patience is how long there must be reason to move.
func (m moving) patience() time.Duration {
	switch m {
	case raising:
		return raiseAfter
	case lowering:
		return lowerAfter
	}
	return 0
}

// settled is the rate to ask for now, where rate would be right and told is what
// was asked for last: a change waits until it has held for a while.
func (l *layer) settled(now time.Time, rate, told units.Rate, begins bool) units.Rate {
	is := steady
	switch {
	case begins:
		l.moving = steady
		return rate
	case rate < told.Scale(lowerFrom):
		is = lowering
	case rate > told.Scale(raiseFrom) || rate == l.most && told < l.most:
		is = raising
	}
	if is != l.moving {
		l.moving, l.moveSince, l.moveTo = is, now, rate
	}
	if is == lowering {
		l.moveTo = max(l.moveTo, rate)
	} else {
		l.moveTo = min(l.moveTo, rate)
	}
	if is == steady || now.Sub(l.moveSince) < is.patience() {
		return told
	}
	l.moving = steady
	return l.moveTo
}

// limited says whether the layer at i is the largest that comes because the
// publisher cannot do more.
func (t *Track) limited(now time.Time, i int) bool {
	if !t.layers[i].measured.Active || t.comesAbove(i) {
		return false
	}
	return t.blocked(now, min(i+1, len(t.layers)-1))
}

// thinned is the frame rate that what comes of the layer can fill, where that
// is much less than what was asked for; within reason of what was told before.
func (l *layer) thinned(next Encoding) int {
	comes := l.frame.payload(l.measured.top()).Scale(1.2)
	if comes >= next.ceiling(l.most) {
		return next.FrameRate
	}
	rate := l.frame.at(comes)
	if rate == 0 || next.FrameRate > 0 && next.FrameRate <= rate {
		return next.FrameRate
	}
	if told := l.told.FrameRate; told > 0 && rate*3 >= told*2 && rate*2 <= told*3 {
		return told
	}
	return rate
}

// top is the rate of all that comes; temporal layers that are not sent have 0.
func (m *Measured) top() (top units.Rate) {
	for _, r := range m.Rates[:m.Count] {
		top = max(top, r)
	}
	return top
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

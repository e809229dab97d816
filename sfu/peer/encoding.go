package peer

import (
	"math/bits"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// The way back to a publisher:
//
//	egress.tellWishes -> Track.want -> ingress.tick -> encoding.Decide
//	     -> Handler.EncodingChanged -> the room -> the publisher's client
//	     -> or, where the client obeys no such message: REMB

const (
	// decideDelay gathers the wishes of several subscribers that only want
	// another rate.
	decideDelay = 100 * time.Millisecond
	// aliveFor is how long ago a publisher may have been heard of to count as
	// being there: a voice in silence sends every 400 ms.
	aliveFor = time.Second
	// liftAgain is how often the end of a limit by REMB is repeated: a lost one
	// would hold the publisher down for ever.
	liftAgain = 4
	// voiceShare is left to voice by REMB, which bounds everything.
	voiceShare = 64 * units.Kbps
	// noLimit lifts a limit by REMB.
	noLimit = 100 * units.Mbps
)

// orders are what a publisher is asked to send, guarded by its ingress lock.
type orders struct {
	track   *encoding.Track // nil for sound
	obeys   bool
	changed bool // to be told to the handler
	due     time.Time
}

// newOrders begins with everything that was announced.
func (t *Track) newOrders(now time.Time) {
	if !t.Video {
		return
	}
	cfg := encoding.Config{Screen: t.Screen, Obeys: t.Obeys}
	for i := range max(len(t.RIDs), len(t.Layers), 1) {
		var l encoding.Layer
		if i < len(t.Layers) {
			l.Width, l.Height = t.Layers[i].Width, t.Layers[i].Height
		}
		if i < len(t.MaxRates) {
			l.Most = t.MaxRates[i]
		}
		cfg.Layers = append(cfg.Layers, l)
	}
	// Told at once, for the client may still obey the orders for its last track.
	t.orders = orders{track: encoding.New(now, cfg), obeys: t.Obeys, changed: t.Obeys}
}

// want notes what a subscriber is granted of the track. urgent says that
// another layer is wanted, not only another rate.
func (t *Track) want(now time.Time, who uint64, w encoding.Wish, urgent bool) {
	g := t.publisher.ingress
	g.mu.Lock()
	defer g.mu.Unlock()
	o := &t.orders
	if g.closed || o.track == nil {
		return
	}
	o.track.Want(who, w)
	due := now
	if !urgent {
		due = now.Add(decideDelay)
	}
	if o.due.IsZero() || due.Before(o.due) {
		o.due = due
	}
	g.schedule(now)
}

// leave forgets a subscriber.
func (t *Track) leave(who uint64) {
	g := t.publisher.ingress
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.orders.track != nil {
		t.orders.track.Leave(who)
	}
}

// decide asks the core; on the publisher's worker, with the ingress lock held.
func (t *Track) decide(now time.Time) {
	o := &t.orders
	if o.track.Decide(now) {
		o.changed = o.obeys
		t.offer(now)
	}
	o.due = o.track.Next()
}

// order measures what comes of a picture and answers what subscribers may have:
// rates, and the sizes of layers, of those that are off too.
func (t *Track) order(now time.Time, alive bool) (rates []downlink.LayerRate, sizes []downlink.LayerInfo) {
	o := &t.orders
	measured := make([]encoding.Measured, 0, encoding.MaxLayers)
	if s := t.layers[0]; s != nil && len(t.RIDs) < 2 {
		if known, count := s.Sizes(); count > 1 || o.track.Scalable() {
			var layers []encoding.Layer
			for _, size := range known[:count] {
				layers = append(layers, encoding.Layer{Width: size.Width, Height: size.Height})
			}
			o.track.SetScalable(now, layers)
			measured = inside(now, s, measured)
		}
	}
	if !o.track.Scalable() {
		for _, s := range t.layers {
			measured = append(measured, alone(now, s))
		}
	}
	o.track.Measure(now, alive, measured)
	t.decide(now)
	if o.track.Scalable() {
		for i, l := range o.track.Layers(nil) {
			if l.Width > 0 && l.Height > 0 {
				sizes = append(sizes, downlink.LayerInfo{Spatial: int8(i), Width: l.Width, Height: l.Height})
			}
		}
	}
	return t.offered(now), sizes
}

// alone is what comes of a simulcast layer, which is a stream of its own; nil
// for none.
func alone(now time.Time, s *uplink.Stream) encoding.Measured {
	if s == nil {
		return encoding.Measured{}
	}
	points := s.Rates(now)
	sizes, count := s.Sizes()
	last := max(count-1, 0)
	m := encoding.Measured{
		Active: s.Active(now), Count: encoding.Temporals, Width: sizes[last].Width, Height: sizes[last].Height,
		Interval: s.Interval(),
	}
	copy(m.Rates[:], points[last][:])
	return m
}

// inside appends what comes of each layer inside a stream.
func inside(now time.Time, s *uplink.Stream, dst []encoding.Measured) []encoding.Measured {
	points, stream, active := s.Rates(now), s.Rate(now), s.Active(now)
	sizes, count := s.Sizes()
	for i := range count {
		m := encoding.Measured{
			Count: encoding.Temporals, Width: sizes[i].Width, Height: sizes[i].Height,
			Interval: s.Interval(), Stream: stream,
		}
		copy(m.Rates[:], points[i][:])
		for _, r := range m.Rates {
			m.Active = m.Active || active && r > 0
		}
		dst = append(dst, m)
	}
	return dst
}

// offered are the operating points that subscribers may have.
func (t *Track) offered(now time.Time) []downlink.LayerRate {
	var rates []downlink.LayerRate
	for _, r := range t.orders.track.Rates(now, nil) {
		rates = append(rates, downlink.LayerRate(r))
	}
	return rates
}

// offer leaves the rates that follow from new orders, and tells the subscribers
// at once.
func (t *Track) offer(now time.Time) {
	rates := t.offered(now)
	if len(rates) == 0 {
		return
	}
	t.rates.Store(&rates)
	for mask := t.active.Load(); mask != 0; mask &= mask - 1 {
		w := t.workers[bits.TrailingZeros64(mask)]
		w.post(func(now time.Time) {
			for _, s := range t.subscribers[w.index] {
				s.egress.describe(now, s.slot, t)
				w.mark(s.egress)
			}
		})
	}
}

// decideDue lets the tracks decide whose subscribers want something else.
func (g *ingress) decideDue(now time.Time) {
	for _, s := range g.sections {
		if t := s.track; t != nil && t.orders.track != nil && !t.orders.due.IsZero() && !t.orders.due.After(now) {
			t.decide(now)
		}
	}
}

// ordersDue is when a track wants to decide; zero for none.
func (g *ingress) ordersDue() (due time.Time) {
	for _, s := range g.sections {
		if t := s.track; t != nil && !t.orders.due.IsZero() && (due.IsZero() || t.orders.due.Before(due)) {
			due = t.orders.due
		}
	}
	return due
}

// order is a track with its new encodings.
type order struct {
	track     *Track
	encodings []encoding.Encoding
}

// takeOrders answers what is to be told to the publisher.
func (g *ingress) takeOrders() (all []order) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sections {
		if t := s.track; t != nil && t.orders.changed {
			t.orders.changed = false
			all = append(all, order{t, t.orders.track.Encodings(nil)})
		}
	}
	return all
}

// appendLimit adds a REMB for a publisher that obeys no orders, once each
// limitEvery while there is a limit, and a few times when it ends.
func (g *ingress) appendLimit(dst []rtcp.Packet) []rtcp.Packet {
	var limit units.Rate
	limited, share := false, false
	var streams []uint32
	for _, s := range g.sections {
		t := s.track
		if t == nil {
			continue
		}
		if t.orders.track == nil {
			share = true
			continue
		}
		if t.orders.obeys {
			return dst
		}
		// While nobody looks pictures may have the share, too: those of Chromium
		// become small with their limit, and take 20 s to grow again.
		share = share || !t.orders.track.Watched()
		limited = true
		if limit = min(limit, noLimit) + min(t.orders.track.Cap(), noLimit); limit >= noLimit {
			limited = false
			break
		}
	}
	for _, in := range g.list {
		if in.stream != nil && !in.repair && in.section.video {
			streams = append(streams, in.ssrc)
		}
	}
	if share {
		limit += voiceShare
	}
	switch {
	case len(streams) == 0:
		return dst
	case limited:
		g.lifting = liftAgain
	case g.lifting > 0:
		g.lifting--
		limit = noLimit
	default:
		return dst
	}
	return append(dst, &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: float32(limit), SSRCs: streams})
}

// tellWishes tells the publishers of what is in the slots what has become of
// it; on the subscriber's worker.
func (e *egress) tellWishes(now time.Time) {
	if n := e.down.Wishes(); n != e.wishesTold {
		e.wishesTold = n
		for slot := range e.wishes {
			if t := e.tracks[slot]; t != nil && t.Video {
				e.tellWish(now, slot, t)
			}
		}
	}
}

func (e *egress) tellWish(now time.Time, slot int, t *Track) {
	w, told := e.down.Wish(slot), &e.wishes[slot]
	urgent := w.Spatial != told.Spatial || w.Current != told.Current || w.Still != told.Still
	if !urgent && w.Part == told.Part && !differs(w.Room, told.Room) {
		return
	}
	*told = w
	t.want(now, e.who(slot), w, urgent)
}

// differs says whether another room is worth a lock.
func differs(is, was units.Rate) bool { return is < was-was/32 || is > was+was/32 }

// who names a slot of this peer among all subscribers.
func (e *egress) who(slot int) uint64 { return e.peer.serial<<8 | uint64(slot) }

// forgetWish is called when a track leaves a slot.
func (e *egress) forgetWish(slot int, t *Track) {
	if t.Video && slot < len(e.wishes) {
		t.leave(e.who(slot))
		e.wishes[slot] = encoding.Wish{Spatial: encoding.None, Current: encoding.None}
	}
}

// heard says whether the publisher was heard of lately.
func (g *ingress) heard(now time.Time) bool { return now.Sub(g.heardAt) <= aliveFor }

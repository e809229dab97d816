package peer

import (
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

const (
	// idleTick is how often a peer is looked at that waits for nothing.
	idleTick = time.Second
	// ratesEvery is how often the measured rates of tracks reach a downlink.
	ratesEvery = 500 * time.Millisecond
	// soonest is the least time between two looks at a peer: less than a timer
	// can be trusted for, and the end of any loop of a core that is due for ever.
	soonest = 200 * time.Microsecond
	// statsEvery is how often a snapshot is left for other goroutines.
	statsEvery = time.Second
)

// subscription is one slot of one peer that carries a track.
type subscription struct {
	egress *egress
	slot   int
}

// egress is a peer's outgoing side. Everything in it belongs to its worker.
type egress struct {
	peer *Peer
	down *downlink.Downlink

	slots  []*slotTrack
	tracks []*Track // what each slot carries, nil for nothing

	// Places in the worker's books.
	index  int
	next   time.Time
	dirty  bool
	closed bool

	wishes     []encoding.Wish // by slot, as told to publishers
	wishesTold uint64          // downlink.Wishes then

	coarse    bool // the receiver sends no packet reports
	reliable  bool // the path repairs loss itself
	ratesAt   time.Time
	statsAt   time.Time
	ingressAt time.Time // when the peer's incoming side wants its tick
	accounted accounted
	network   networkKey // that the path leads to
	carriedAt time.Time  // what it carries is noted then

	begun bool // the path was open once

	// Reused for each packet.
	out        downlink.Outgoing
	header     rtp.Header
	extensions extensionBuffers
	events     []downlink.Event
	reports    []rtcp.SenderReport
	control    []rtcp.Packet
}

// extensionBuffers keep the bytes of header extensions, which pion reads only
// when the packet is written.
type extensionBuffers struct {
	transport   [2]byte
	orientation [1]byte
}

// nextDue is the earliest time at which tick or send has something to do.
func (e *egress) nextDue(now time.Time) time.Time {
	due := now.Add(idleTick)
	sending := e.down.Next()
	if !e.peer.open() {
		sending = time.Time{} // nothing can leave yet; connecting wakes the worker
	}
	for _, t := range [...]time.Time{sending, e.ingressAt, e.ratesAt, e.statsAt} {
		if !t.IsZero() && t.Before(due) {
			due = t
		}
	}
	if earliest := now.Add(soonest); due.Before(earliest) {
		return earliest
	}
	return due
}

// tick runs what is due by time alone.
func (e *egress) tick(now time.Time) {
	if !e.ratesAt.After(now) {
		e.ratesAt = now.Add(ratesEvery)
		for slot, t := range e.tracks {
			if t == nil {
				continue
			}
			e.describe(now, slot, t)
		}
	}
	if !e.ingressAt.IsZero() && !e.ingressAt.After(now) {
		e.tickIngress(now)
	}
	e.down.Tick(now)
	if e.down.ReportDue(now) {
		e.sendReports(now)
	}
	if !e.statsAt.After(now) {
		e.statsAt = now.Add(statsEvery)
		stats := e.down.Stats()
		e.account(&stats)
		e.peer.stats.Store(&stats)
		e.tell(&e.coarse, stats.Path.State == bwe.Coarse, &e.peer.media.counts.coarse)
		e.tell(&e.reliable, stats.Path.Reliable, &e.peer.media.counts.reliable)
		if !e.carriedAt.After(now) {
			e.remember(now, &stats)
		}
	}
}

// tell keeps count of the peers of which something is so.
func (e *egress) tell(was *bool, is bool, count *atomic.Int64) {
	switch {
	case is && !*was:
		count.Add(1)
	case *was && !is:
		count.Add(-1)
	}
	*was = is
}

// describe tells a slot what is known of its track by what arrives.
func (e *egress) describe(now time.Time, slot int, t *Track) {
	if sizes := t.Sizes(); sizes != nil {
		e.down.SetLayers(now, slot, sizes)
	}
	if rates := t.Rates(); rates != nil {
		e.down.SetRates(now, slot, rates)
	}
	if t.publisher != nil { // what is mixed here comes from nowhere
		e.down.SetSourceRTT(slot, t.publisher.ingress.roundTrip())
	}
}

// tickIngress sends what the incoming side has to say to its publisher.
func (e *egress) tickIngress(now time.Time) {
	e.control, e.ingressAt = e.peer.ingress.tick(now, e.control[:0])
	e.writeRTCP(e.control)
	for _, o := range e.peer.ingress.takeOrders() {
		e.peer.handler.EncodingChanged(o.track, o.encodings)
	}
}

// sendReports sends the sender reports of the active slots.
func (e *egress) sendReports(now time.Time) {
	e.reports = e.down.AppendSenderReports(now, e.reports[:0])
	e.control = e.control[:0]
	for i := range e.reports {
		e.control = append(e.control, &e.reports[i])
	}
	e.writeRTCP(e.control)
}

func (e *egress) writeRTCP(packets []rtcp.Packet) {
	if len(packets) == 0 || !e.peer.connected.Load() {
		return
	}
	// Errors mean that the path is gone; its state tells the room so.
	_ = e.peer.connection.WriteRTCP(packets)
}

// begin sends what was said while the path opened, once it is open.
func (e *egress) begin(now time.Time) {
	if !e.begun {
		e.begun = true
		e.down.Begin(now)
	}
}

// send writes everything that may leave now.
func (e *egress) send(now time.Time) {
	if e.peer.open() {
		e.begin(now)
		var packets, bytes uint64
		for e.down.Poll(now, &e.out) {
			n, err := e.write()
			sent := err == nil && n > 0
			e.down.Sent(now, &e.out, sent)
			if sent {
				packets++
				bytes += uint64(e.out.Size)
			}
		}
		if packets > 0 {
			e.peer.media.counts.forwarded.Add(packets)
			e.peer.media.counts.forwardedBytes.Add(bytes)
		}
	}
	e.handleEvents(now)
	e.tellWishes(now)
}

// write hands one packet to pion, which encrypts it into the worker's batch, or to
// who does so before the end of the handshake.
func (e *egress) write() (int, error) {
	o := &e.out
	slot := e.slots[o.Slot]
	h := &e.header
	h.Version = 2
	h.Marker = o.Marker
	h.PayloadType = o.PayloadType
	h.SequenceNumber = o.Sequence
	h.Timestamp = o.Timestamp
	h.SSRC = o.SSRC
	h.Padding, h.PaddingSize = o.Padding > 0, o.Padding
	h.CSRC = h.CSRC[:0]
	if o.Source != 0 {
		h.CSRC = append(h.CSRC, o.Source)
	}
	profile.Clear(h)
	ids := &slot.extensions
	if o.HasTransportSequence {
		e.extensions.transport = [2]byte{byte(o.TransportSequence >> 8), byte(o.TransportSequence)}
		profile.Add(h, ids.TransportWide, e.extensions.transport[:])
	}
	if o.HasOrientation {
		e.extensions.orientation[0] = o.Orientation
		profile.Add(h, ids.Orientation, e.extensions.orientation[:])
	}
	profile.Add(h, ids.Descriptor, o.Descriptor)
	if w := e.peer.early(); w != nil && !e.peer.connected.Load() {
		return w.write(h, o.Payload)
	}
	return slot.writer.WriteRTP(h, o.Payload)
}

// handleEvents carries out what the downlink asks for.
func (e *egress) handleEvents(now time.Time) {
	e.events = e.down.Events(e.events[:0])
	if len(e.events) == 0 {
		return
	}
	told := e.events[:0]
	for _, ev := range e.events {
		if ev.Slot < 0 || ev.Slot >= len(e.tracks) {
			continue
		}
		t := e.tracks[ev.Slot]
		if ev.Kind == downlink.KeyframeWanted {
			if t != nil && t.ID == ev.Source {
				t.requestKeyframe(now, int(ev.Spatial))
			}
			continue
		}
		told = append(told, ev)
	}
	if len(told) > 0 {
		e.peer.handler.SlotEvents(told)
	}
}

// assign puts a track (or nothing) into a slot.
func (e *egress) assign(now time.Time, slot int, t *Track, s downlink.Source) {
	if e.closed || slot < 0 || slot >= len(e.tracks) {
		return
	}
	if old := e.tracks[slot]; old != nil {
		old.unsubscribe(e.peer.worker.index, e, slot)
		if old != t {
			e.forgetWish(slot, old)
		}
	}
	e.tracks[slot] = t
	e.down.Assign(now, slot, s)
	if t != nil {
		t.subscribe(e.peer.worker.index, subscription{e, slot})
		e.describe(now, slot, t)
	}
	e.peer.worker.mark(e)
}

// close gives everything back.
func (e *egress) close() {
	if e.closed {
		return
	}
	e.closed = true
	for slot, t := range e.tracks {
		if t != nil {
			t.unsubscribe(e.peer.worker.index, e, slot)
			e.forgetWish(slot, t)
			e.tracks[slot] = nil
		}
	}
	e.peer.worker.detach(e)
	stats := e.down.Stats()
	e.account(&stats)
	e.account(nil)
	e.peer.stats.Store(&stats)
	e.remember(time.Now(), &stats)
	e.tell(&e.coarse, false, &e.peer.media.counts.coarse)
	e.tell(&e.reliable, false, &e.peer.media.counts.reliable)
	e.down.Close()
}

package switchboard

import (
	"context"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// maxWaking bounds the pushes under way at one time; what is beyond is
	// dropped: who is rung then sees the call in the application.
	maxWaking   = 256
	wakeTimeout = 10 * time.Second
)

// deliver tells backends, devices and the media plane what has happened.
func (t *tenant) deliver(now time.Time, events []call.Event) {
	for _, v := range events {
		e := eventOf(v)
		h := t.history(v.Call)
		if v.Kind == call.OnRing {
			for _, d := range e.To {
				if t.devices[d] == nil {
					e.Wake = append(e.Wake, d)
				}
			}
			if len(v.To) != 1 || h.rings[v.User] == nil || h.rings[v.User].At != e.At {
				h.rings[v.User] = e
			}
		}
		h.events.Append(e)
		t.feed.Append(e)
		if v.Kind == call.OnGate {
			t.setGate(v)
			continue
		}
		own := *e
		own.To, own.Wake = nil, nil
		for _, d := range e.To {
			if s := t.devices[d]; s != nil {
				s.send(&own)
			}
		}
		for _, d := range e.Wake {
			t.wake(d, &own)
		}
		if v.Kind == call.OnEnded {
			h.events.Close()
		}
	}
	for i, v := range events { // once for each call: what follows looks at the whole of it
		if i+1 == len(events) || events[i+1].Call != v.Call {
			t.repath(now, v.Call)
		}
	}
}

// wake has a device woken by push.
func (t *tenant) wake(d signal.Device, ring *signal.CallEvent) {
	b := t.board
	if b.cfg.Waker == nil || b.recalling {
		return
	}
	select {
	case b.waking <- struct{}{}:
	default:
		b.log.Warn("a push was dropped: too many are under way", "limit", maxWaking)
		return
	}
	b.running.Go(func() {
		defer func() { <-b.waking }()
		ctx, cancel := context.WithTimeout(b.ctx, wakeTimeout)
		defer cancel()
		if err := b.cfg.Waker.Wake(ctx, t.name, d, ring); err != nil {
			b.log.Warn("a device could not be woken", "error", err)
		}
	})
}

// setGate has the media plane do what a gate says.
func (t *tenant) setGate(v call.Event) {
	s := t.devices[deviceOf(v.To[0])]
	if s == nil || s.room == nil || s.room.call != v.Call {
		return
	}
	if v.Gate == call.Closed {
		t.board.cfg.Media.Dismiss(s.room.session, signal.CallOver, "the call is over for this device")
		return
	}
	t.board.cfg.Media.Gate(s.room.session, v.Gate == call.Open)
}

// report tells the core what the devices of a call have used so far, before
// something makes it add up.
func (t *tenant) report(now time.Time, id string) {
	h := t.histories[id]
	if h == nil {
		return
	}
	for d, s := range t.devices {
		if s.room == nil || s.room.call != id {
			continue
		}
		if u, known := t.board.cfg.Media.Usage(s.room.session); known {
			t.reportUsage(now, id, h, call.Device{User: d.User, ID: d.Device}, u)
		}
	}
}

// reportUsage adds what earlier connections of the device have used.
func (t *tenant) reportUsage(now time.Time, id string, h *history, d call.Device, u sfu.Usage) {
	total := plus(h.used[d], u)
	// A device that never answered has nothing to report; that is no harm.
	_ = t.carryOut(now, call.Command{ID: randomID("b_"), Call: id, From: d, Verb: call.Report, Usage: &total})
}

func plus(a call.Usage, u sfu.Usage) call.Usage {
	a.Sent += u.Sent
	a.Received += u.Received
	if u.MOS != 0 {
		a.MOS, a.Scale = u.MOS, u.Scale
	}
	return a
}

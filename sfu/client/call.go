package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Joined is what the server said when we joined.
func (c *Call) Joined() *signal.Joined { return c.joined }

// Events are the room's, in order. Who does not read loses the oldest, and the
// call's own picture of the room stays right all the same. The channel is
// closed by Close.
func (c *Call) Events() <-chan signal.EventBody { return c.events }

// Connected is closed when media can flow for the first time.
func (c *Call) Connected() <-chan struct{} { return c.connected }

// Done is closed when the call has ended; Err says why.
func (c *Call) Done() <-chan struct{} { return c.done }

// Err is why the call has ended: a *signal.Error when the server ended it,
// ErrClosed after Close; nil while it goes on.
func (c *Call) Err() error {
	select {
	case <-c.done:
		return c.ended
	default:
		return nil
	}
}

// Rejoin says of what Err or Join has answered whether joining anew, after a pause,
// is what helps: the server restarts or has forgotten the session, or it cannot be
// reached. It does not help against a refusal, or where somebody ended the call.
func Rejoin(err error) bool {
	var refused *signal.Error
	switch {
	case err == nil || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled):
		return false
	case !errors.As(err, &refused):
		return true
	}
	switch refused.Code {
	case signal.UnknownSession, signal.EventsLost, signal.ConnectionLost, signal.SlowClient, signal.Draining, signal.RateLimited, signal.ServerFull, signal.Internal:
		return true
	}
	return false
}

// Do gives a command of the application's own, such as one of the call plane.
func (c *Call) Do(ctx context.Context, body signal.Body) (signal.Reply, error) {
	return c.signals.do(ctx, body)
}

// Participants are the others in the room, by id.
func (c *Call) Participants() []signal.Participant {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]signal.Participant, 0, len(c.participants))
	for _, p := range c.participants {
		p.Tracks = slices.Clone(p.Tracks)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b signal.Participant) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Assignments are what the slots carry now; empty slots are left out.
func (c *Call) Assignments() []signal.Assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []signal.Assignment
	for _, a := range c.assigned {
		if a.Track != "" || a.Mixed {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b signal.Assignment) int { return a.Slot - b.Slot })
	return all
}

// Sender is the stream of a source; nil when no section was reserved for it.
func (c *Call) Sender(source signal.Source) *Sender { return c.senders[source] }

// Publish begins to send a source on the section that was reserved for it.
func (c *Call) Publish(ctx context.Context, p Publication) (*Sender, error) {
	s := c.senders[p.Source]
	if s == nil {
		return nil, fmt.Errorf("client: no section was reserved for %s", p.Source)
	}
	p = p.withDefaults()
	if len(p.Layers) > 0 && len(p.Layers) != len(s.streams) {
		return nil, fmt.Errorf("client: %s was reserved with %d layers and not %d", p.Source, len(s.streams), len(p.Layers))
	}
	if _, err := c.signals.do(ctx, ptr(p.command())); err != nil {
		return nil, err
	}
	s.start(p)
	return s, nil
}

// Unpublish ends a source.
func (c *Call) Unpublish(ctx context.Context, source signal.Source) error {
	s := c.senders[source]
	if s == nil {
		return fmt.Errorf("client: no section was reserved for %s", source)
	}
	s.stop()
	_, err := c.signals.do(ctx, &signal.Unpublish{Source: source})
	return err
}

// Mute says that a source is silent, or is not any more. It is the caller's to
// stop writing.
func (c *Call) Mute(ctx context.Context, source signal.Source, muted bool) error {
	_, err := c.signals.do(ctx, &signal.Mute{Source: source, Muted: muted})
	return err
}

// View says what is looked at; without one the server chooses.
func (c *Call) View(ctx context.Context, tracks []signal.TrackView) error {
	_, err := c.signals.do(ctx, &signal.View{Tracks: tracks})
	return err
}

// SetDataBudget bounds what the server sends us, in bytes.
func (c *Call) SetDataBudget(ctx context.Context, mode signal.DataMode, b signal.DataBudget) error {
	_, err := c.signals.do(ctx, &signal.SetDataMode{Mode: mode, Budget: &b})
	return err
}

// SetDataMode bounds what the server sends us.
func (c *Call) SetDataMode(ctx context.Context, mode signal.DataMode) error {
	_, err := c.signals.do(ctx, &signal.SetDataMode{Mode: mode})
	return err
}

// Restart renews the path of the media (ICE restart, RFC 8445 §9). It happens
// by itself when the path has failed, and when the signalling connection comes
// back and media has not.
func (c *Call) Restart(ctx context.Context) error {
	c.negotiating.Lock()
	defer c.negotiating.Unlock()
	offer, err := c.media.restartOffer()
	if err != nil {
		return err
	}
	reply, err := c.signals.do(ctx, &signal.Restart{Offer: offer})
	if err != nil {
		return err
	}
	restarted, ok := reply.(*signal.Restarted)
	if !ok {
		return fmt.Errorf("the server answers restart with %s", reply.ReplyType())
	}
	return c.media.restarted(restarted)
}

// DropSignalling cuts the signalling connection as a failing network does; the
// call comes back by itself. It is for tests and drills.
func (c *Call) DropSignalling() { c.signals.drop() }

// wishRestart has keep restart the path. Unless it is sure that the path is
// gone, only when media does not flow.
func (c *Call) wishRestart(sure bool) {
	if !sure && c.media.up.Load() {
		return
	}
	select {
	case c.restart <- struct{}{}:
	default: // one is wished for already
	}
}

// keep pings, and restarts a path that failed until it is there again or the
// call ends.
func (c *Call) keep() {
	ticker := time.NewTicker(c.signals.pingEvery)
	defer ticker.Stop()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	again.Stop()
	for {
		select {
		case <-ticker.C:
			c.signals.tell(&signal.Ping{})
			continue
		case <-c.restart:
		case <-again.C:
			if c.media.up.Load() {
				continue
			}
		case <-c.done:
			return
		}
		ctx, cancel := context.WithTimeout(c.signals.ctx, commandTimeout)
		if err := c.Restart(ctx); err != nil {
			c.log.Debug("restart failed", "error", err)
		}
		cancel()
		again.Reset(restartAgain)
	}
}

// handle takes one event in and hands it on. It runs on the reader.
func (c *Call) handle(e signal.EventBody) {
	if c.direct != nil {
		c.direct.told(e)
	}
	switch e := e.(type) {
	case *signal.SlotsChanged:
		c.acknowledge(e.Slots)
	case *signal.Encode:
		c.encode(e)
	case *signal.Closed:
		if e.Code == signal.Left {
			c.end(ErrClosed)
		}
		c.end(&signal.Error{Code: e.Code, Message: e.Message})
	case *signal.RoomLeft: // in a session of the call plane
		c.end(&signal.Error{Code: e.Code, Message: e.Message})
	default:
		c.mu.Lock()
		c.follow(e)
		slots := c.mutedSlots(e)
		c.mu.Unlock()
		for _, slot := range slots {
			c.media.ingress.hush(time.Now(), slot)
		}
	}
	for {
		select {
		case c.events <- e:
			return
		default:
		}
		select {
		case <-c.events:
			c.lostEvents.Add(1)
		default:
		}
	}
}

// follow keeps the picture of the room; with the lock held.
func (c *Call) follow(e signal.EventBody) {
	change := func(id string, do func(p *signal.Participant)) {
		if p, ok := c.participants[id]; ok {
			p.Tracks = slices.Clone(p.Tracks)
			do(&p)
			c.participants[id] = p
		}
	}
	switch e := e.(type) {
	case *signal.ParticipantJoined:
		c.participants[e.Participant.ID] = e.Participant
	case *signal.ParticipantLeft:
		delete(c.participants, e.Participant)
	case *signal.TrackPublished:
		change(e.Participant, func(p *signal.Participant) {
			p.Tracks = append(without(p.Tracks, e.Track.ID), e.Track)
		})
	case *signal.TrackUnpublished:
		change(e.Participant, func(p *signal.Participant) { p.Tracks = without(p.Tracks, e.Track) })
	case *signal.TrackMuted:
		change(e.Participant, func(p *signal.Participant) {
			for i := range p.Tracks {
				if p.Tracks[i].ID == e.Track {
					p.Tracks[i].Muted = e.Muted
				}
			}
		})
	}
}

// mutedSlots answers the slots whose track was muted by an event; with the lock
// held.
func (c *Call) mutedSlots(e signal.EventBody) (slots []int) {
	m, ok := e.(*signal.TrackMuted)
	if !ok || !m.Muted {
		return nil
	}
	for slot, a := range c.assigned {
		if a.Track == m.Track {
			slots = append(slots, slot)
		}
	}
	return slots
}

func without(tracks []signal.Track, id string) []signal.Track {
	return slices.DeleteFunc(tracks, func(t signal.Track) bool { return t.ID == id })
}

// acknowledge notes what slots carry and tells the server that we know.
func (c *Call) acknowledge(changed []signal.Assignment) {
	c.note(changed)
	c.tellNoted(changed)
}

// note notes what slots carry.
func (c *Call) note(changed []signal.Assignment) {
	c.mu.Lock()
	for _, a := range changed {
		c.assigned[a.Slot] = a
		c.media.ingress.setSource(a.Slot, a.Source)
	}
	c.mu.Unlock()
	for _, a := range changed {
		if a.Source == 0 {
			c.media.ingress.hush(time.Now(), a.Slot)
		}
	}
}

// tellNoted tells the server that we know what slots carry, so that packets need not
// name their source any more.
func (c *Call) tellNoted(slots []signal.Assignment) {
	for _, a := range slots {
		if a.Source != 0 {
			c.signals.tell(&signal.Acknowledge{Slot: a.Slot, Source: a.Source})
		}
	}
}

// acknowledgeFirst takes in what slots carry as the call begins. On a far path the
// first check, our certificate and the first words go first.
func (c *Call) acknowledgeFirst() {
	if !c.media.awaits {
		c.acknowledge(c.joined.Assignments)
		return
	}
	c.note(c.joined.Assignments)
	c.running.Go(func() {
		select {
		case <-c.connected:
		case <-c.done:
			return
		}
		select {
		case <-time.After(noteLater):
			c.tellNoted(c.Assignments())
		case <-c.done:
		}
	})
}

// noteLater is how long the first words and the measurement of a far path have it to
// themselves: eight slots are told in as many messages, and each is answered.
const noteLater = 1500 * time.Millisecond

func ptr[T any](v T) *T { return &v }

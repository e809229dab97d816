package signaltest

import (
	"context"
	"maps"
	"slices"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// guest is a participant of a room who has joined directly, without media.
type guest struct {
	id     string
	events <-chan signal.Event
}

func (f *fixture) join(room, identity string) (*guest, error) {
	f.Helper()
	reply, err := f.direct.Do(f.ctx, signal.Command{Remote: "192.0.2.1", Body: &signal.Join{Version: 1, Room: room, Identity: identity}})
	if err != nil {
		return nil, err
	}
	joined := reply.(*signal.Joined)
	events, err := f.direct.Subscribe(f.ctx, signal.Filter{Session: joined.Session, After: joined.Sequence})
	if err != nil {
		f.Fatal(err)
	}
	return &guest{joined.Participant, events}, nil
}

func (f *fixture) enter(room, identity string) *guest {
	f.Helper()
	g, err := f.join(room, identity)
	if err != nil {
		f.Fatalf("join %s: %v", identity, err)
	}
	return g
}

// hears waits for an event of a type.
func hears[T signal.EventBody](f *fixture, g *guest) T {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	for {
		select {
		case e, ok := <-g.events:
			if !ok {
				f.Fatal("the events ended")
			}
			if body, ok := e.Body.(T); ok {
				return body
			}
		case <-ctx.Done():
			var none T
			f.Fatalf("waited in vain for %T", none)
		}
	}
}

func control(f *fixture) {
	ann, bob := f.enter("r", "ann"), f.enter("r", "bob")
	state := f.must(&signal.RoomQuery{Room: "r"}).(*signal.RoomState)
	if len(state.Participants) != 2 || state.Participants[1].ID != bob.id || state.Participants[1].Identity != "bob" || state.Locked {
		f.Errorf("state %+v", state)
	}

	f.must(&signal.RoomControl{Verb: signal.RoomAttributes, Room: "r", Participant: "bob", Attributes: map[string]string{"hand": "up", "äöü": "\u2603"}})
	if e := hears[*signal.ParticipantUpdated](f, ann); e.Participant != bob.id || !maps.Equal(e.Attributes, map[string]string{"hand": "up", "äöü": "\u2603"}) {
		f.Errorf("attributes %+v", e)
	}

	f.must(&signal.RoomControl{Verb: signal.RoomMessage, Room: "r", To: []string{ann.id}, Topic: "note", Payload: []byte{0, 1, 255}})
	if e := hears[*signal.Message](f, ann); e.From != "" || e.Topic != "note" || !slices.Equal(e.Payload, []byte{0, 1, 255}) {
		f.Errorf("message %+v", e)
	}

	f.must(&signal.RoomControl{Verb: signal.RoomPermit, Room: "r", Participant: bob.id, Permissions: &signal.Permissions{Subscribe: true, Sources: []signal.Source{signal.Microphone}}})
	if e := hears[*signal.ParticipantUpdated](f, bob); e.Permissions == nil || e.Permissions.Publish || !e.Permissions.Subscribe {
		for e.Permissions == nil { // his attributes came first
			e = hears[*signal.ParticipantUpdated](f, bob)
		}
		if e.Permissions.Publish || !e.Permissions.Subscribe {
			f.Errorf("permissions %+v", e.Permissions)
		}
	}
	f.refusedWith(signal.UnknownTrack, "", &signal.RoomControl{Verb: signal.RoomMute, Room: "r", Participant: bob.id, Source: signal.Camera, Muted: true})
	f.refusedWith(signal.UnknownParticipant, "", &signal.RoomControl{Verb: signal.RoomRemove, Room: "r", Participant: "eve"})

	f.must(&signal.RoomControl{Verb: signal.RoomLock, Room: "r", Locked: true})
	hears[*signal.RoomLocked](f, ann)
	if _, err := f.join("r", "eve"); signal.AsError(err).Code != signal.Locked {
		f.Errorf("a locked room let somebody in: %v", err)
	}
	f.must(&signal.RoomControl{Verb: signal.RoomLock, Room: "r"})
	eve := f.enter("r", "eve")

	f.must(&signal.RoomControl{Verb: signal.RoomRemove, Room: "r", Participant: "bob"})
	if e := hears[*signal.Closed](f, bob); e.Code != signal.Removed || e.Rejoin {
		f.Errorf("removed: %+v", e)
	}
	if e := hears[*signal.ParticipantLeft](f, ann); e.Participant != bob.id || e.Reason != signal.Removed {
		f.Errorf("the others were told %+v", e)
	}
	f.must(&signal.RoomControl{Verb: signal.RoomEnd, Room: "r"})
	for _, g := range []*guest{ann, eve} {
		if e := hears[*signal.Closed](f, g); e.Code != signal.Ended || e.Rejoin {
			f.Errorf("ended: %+v", e)
		}
	}
}

// feed is told of two calls and a room in the order in which things happened.
func feed(f *fixture) {
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	stream, err := f.via.Subscribe(ctx, signal.Filter{Backend: backend})
	if err != nil {
		f.Fatal(err)
	}
	f.ring("a", "bob")
	f.ring("b", "eve")
	f.enter("r", "ann")
	f.must(says("a", "bob", "1", signal.CallDecline))
	f.must(&signal.RoomControl{Verb: signal.RoomEnd, Room: "r"})
	var seen []string
	var last uint64
	for e := range stream {
		if last != 0 && e.Sequence != last+1 {
			f.Fatalf("event %d follows %d", e.Sequence, last)
		}
		last = e.Sequence
		switch v := e.Body.(type) {
		case *signal.CallEvent:
			if v.Kind != signal.CallGate {
				seen = append(seen, v.Call+" "+v.EventType())
			}
		case *signal.RoomEvent:
			seen = append(seen, v.Room+" "+v.EventType())
			if v.Kind == signal.RoomClosed {
				want := []string{"a call.created", "a call.ring", "b call.created", "b call.ring", "r room.opened", "r room.joined",
					"a call.declined", "a call.elsewhere", "a call.ended", "r room.left", "r room.closed"}
				if !sameButForPlaces(seen, want) {
					f.Errorf("the feed told\n%q, want\n%q", seen, want)
				}
				return
			}
		}
	}
	f.Fatalf("the feed ended after %q", seen)
}

// sameButForPlaces compares what happened to each call and room: those of
// different ones may come in any order.
func sameButForPlaces(a, b []string) bool {
	of := func(all []string, name byte) (own []string) {
		for _, s := range all {
			if s[0] == name {
				own = append(own, s)
			}
		}
		return own
	}
	return len(a) == len(b) && slices.Equal(of(a, 'a'), of(b, 'a')) && slices.Equal(of(a, 'b'), of(b, 'b')) && slices.Equal(of(a, 'r'), of(b, 'r'))
}

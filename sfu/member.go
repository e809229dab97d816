package sfu

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// member is one participant of a room. Fields without a note belong to the
// room's goroutine once the member has entered.
type member struct {
	engine   *Engine      // never changes
	id       string       // never changes
	identity string       // never changes
	name     string       // never changes
	client   string       // never changes
	host     string       // never changes: by which name this node was reached
	device   string       // never changes: of the identity, in the call plane
	grants   token.Grants // Identity, Tenant and Hidden never change
	session  *session     // never changes; safe for any goroutine
	peer     *peer.Peer   // never changes; nil when joined without media
	home     atomic.Pointer[room]

	negotiating sync.Mutex // one ICE restart at a time; a leaf

	sections map[signal.Source]string // media section on which a source is sent
	slots    []slotState
	tracks   []*track
	gated    bool // nothing is sent to it or taken from it
	shown    bool // others know of it
	// attributes are replaced, never changed: snapshots share them.
	attributes map[string]string
	talk       bucket.Bucket // messages that it may send
	viewed     bool          // a view was ever given
	view       []signal.TrackView
	dataMode   signal.DataMode
	encodes    bool // obeys the event encode
	takesHello bool // takes our hello of DTLS from signalling
	deaf       bool // does not listen for pictures yet
	state      peer.State
	stateAt    time.Time
	quality    signal.Quality
	opinion    opinion // safe for any goroutine

	blend blending
	voice *voice.Publisher          // nil when the client obeys no encode events
	asked atomic.Pointer[voice.Ask] // what voice asks last, for answers
}

// slotState is what a slot carries.
type slotState struct {
	mid   string
	kind  downlink.SlotKind
	track *track
	// media is what it is sent of the track, or a mix where it has none.
	media *peer.Track
	mixed bool
}

func newMember(e *Engine, s *session, host string, j *signal.Join, a Admission) *member {
	g := a.Grants
	m := &member{
		engine: e, id: randomID("p_"), identity: g.Identity, name: g.Name, client: j.Client, host: host,
		device: a.Device, gated: a.Gated, shown: !a.Gated,
		grants: g, session: s, takesHello: j.Hello, sections: make(map[signal.Source]string),
		dataMode: signal.DataAuto, encodes: j.Encodes, stateAt: s.detachedAt, quality: signal.Good,
	}
	for _, section := range j.Send {
		m.sections[section.Source] = section.MID
	}
	if j.Encodes && !e.cfg.PlainVoice {
		m.voice = voice.NewPublisher(s.detachedAt)
		if peer.AwaitsHello(j.Offer) || j.Hello {
			m.voice = voice.NewFarPublisher(s.detachedAt)
		}
		ask := m.voice.Ask()
		m.asked.Store(&ask)
	}
	s.member = m
	return m
}

// signalSlots lists the slots and prepares their states.
func (m *member) signalSlots() []signal.Slot {
	if m.peer == nil {
		return nil
	}
	var all []signal.Slot
	for i, s := range m.peer.Slots() {
		m.slots = append(m.slots, slotState{mid: s.MID, kind: s.Kind})
		all = append(all, signal.Slot{Slot: i, MID: s.MID, Video: s.Kind == downlink.Video})
	}
	return all
}

func (m *member) describe() signal.Participant {
	p := signal.Participant{ID: m.id, Identity: m.identity, Name: m.name, Attributes: m.attributes}
	for _, t := range m.tracks {
		p.Tracks = append(p.Tracks, t.describe())
	}
	return p
}

// assignments lists what the slots carry.
func (m *member) assignments() []signal.Assignment {
	var all []signal.Assignment
	for i, s := range m.slots {
		switch {
		case s.mixed:
			all = append(all, signal.Assignment{Slot: i, Mixed: true, Source: m.home.Load().mixShort})
		case s.track != nil:
			all = append(all, signal.Assignment{Slot: i, Track: s.track.id, Participant: s.track.owner.id, Source: s.track.short})
		}
	}
	return all
}

func (m *member) track(source signal.Source) *track {
	for _, t := range m.tracks {
		if t.source == source {
			return t
		}
	}
	return nil
}

// priority of a track in the member's view.
func (m *member) priority(t *track) int {
	for _, v := range m.view {
		if v.Track == t.id {
			return v.Priority
		}
	}
	return 0
}

// downlinkView says how a track is looked at.
func (m *member) downlinkView(t *track) downlink.View {
	view := downlink.View{MaxSpatial: downlink.AnySpatial}
	for _, v := range m.view {
		if v.Track == t.id {
			view.Width, view.Height, view.Priority = uint16(v.Width), uint16(v.Height), uint8(v.Priority)
		}
	}
	return view
}

// gone says whether the member was heard of neither by signalling nor by media
// for longer than limit.
func (m *member) gone(now time.Time, limit time.Duration) bool {
	away := m.session.away()
	if away.IsZero() || m.state == peer.Connected {
		return false
	}
	silent := away
	if m.stateAt.After(silent) {
		silent = m.stateAt
	}
	return now.Sub(silent) > limit
}

// StateChanged is told by the media plane; see peer.Handler.
func (m *member) StateChanged(s peer.State) {
	r := m.home.Load()
	if r == nil {
		return
	}
	r.post(func(now time.Time) {
		m.state, m.stateAt = s, now
		r.qualityAt = now // tell the others soon
	})
}

// SlotEvents is told by the media plane; see peer.Handler.
func (m *member) SlotEvents(events []downlink.Event) {
	r := m.home.Load()
	if r == nil {
		return
	}
	events = slices.Clone(events)
	r.post(func(time.Time) { r.slotEvents(m, events) })
}

// unpublish ends the media of a track.
func (m *member) unpublish(t *track) {
	if m.peer != nil {
		m.peer.Unpublish(t.media)
	}
}

func (m *member) closePeer() {
	if m.peer != nil {
		m.peer.Close()
	}
}

// do carries out one command of the member's session.
func (m *member) do(ctx context.Context, body signal.Body) (signal.Reply, error) {
	switch c := body.(type) {
	case *signal.Ping:
		return &signal.Pong{}, nil
	case *signal.Candidate:
		return &signal.Done{}, checkCandidate(c.Candidate)
	case *signal.Restart:
		return m.restart(ctx, c)
	}
	var reply signal.Reply = &signal.Done{}
	var err error
	r := m.home.Load()
	ok := r.call(func(now time.Time) {
		if !slices.Contains(r.members, m) {
			err = errRoomClosed
			return
		}
		reply, err = m.doInRoom(now, body)
	})
	if !ok || errors.Is(err, errRoomClosed) {
		return nil, signal.Errorf(signal.UnknownSession, "the session has ended; join again")
	}
	return reply, err
}

// doInRoom carries out what changes the room; on its goroutine.
func (m *member) doInRoom(now time.Time, body signal.Body) (signal.Reply, error) {
	r := m.home.Load()
	switch c := body.(type) {
	case *signal.Publish:
		t, err := r.publish(m, c)
		if err != nil {
			return nil, err
		}
		r.tellOthers(m, &signal.TrackPublished{Participant: m.id, Track: t.describe()})
		r.assignAll()
		return &signal.Published{Track: t.describe()}, nil
	case *signal.Unpublish:
		t := m.track(c.Source)
		if t == nil {
			return nil, signal.Errorf(signal.UnknownTrack, "%s is not published", c.Source)
		}
		r.unpublish(m, t)
	case *signal.Mute:
		t := m.track(c.Source)
		if t == nil {
			return nil, signal.Errorf(signal.UnknownTrack, "%s is not published", c.Source)
		}
		r.mute(m, t, c.Muted)
	case *signal.View:
		m.setView(c.Tracks)
	case *signal.SetDataMode:
		m.setDataMode(c.Mode)
		m.setDataBudget(c.Budget)
	case *signal.Acknowledge:
		if c.Slot >= len(m.slots) {
			return nil, signal.Errorf(signal.UnknownSlot, "there is no slot %d", c.Slot)
		}
		m.peer.Acknowledge(c.Slot, c.Source)
		if m.slots[c.Slot].kind == downlink.Video {
			m.listens()
		}
	case *signal.RoomControl, *signal.RoomQuery:
		return r.control(now, m, body)
	case *signal.Leave:
		r.remove(now, m, signal.Left, "you left", false)
	default:
		return nil, signal.Errorf(signal.AlreadyJoined, "%s cannot be sent in a session", body.Type())
	}
	return &signal.Done{}, nil
}

// restart renews ICE. It runs on the caller's goroutine, because gathering waits.
func (m *member) restart(ctx context.Context, c *signal.Restart) (signal.Reply, error) {
	if m.peer == nil {
		return nil, signal.Errorf(signal.BadMessage, "this session joined without media")
	}
	m.negotiating.Lock()
	defer m.negotiating.Unlock()
	// A half-made negotiation helps nobody: it ends even if who asked is gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), negotiationTimeout)
	defer cancel()
	answer, err := m.peer.Restart(ctx, c.Offer)
	if errors.Is(err, peer.ErrOffer) {
		return nil, signal.Errorf(signal.BadOffer, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return &signal.Restarted{Answer: m.askFirst(answer), ICEServers: m.engine.iceServers(time.Now(), m)}, nil
}

// setView replaces the view and fills the video slots by it.
func (m *member) setView(tracks []signal.TrackView) {
	m.viewed, m.view = true, tracks
	r := m.home.Load()
	r.assign(m, r.rank())
	for i, s := range m.slots {
		if s.track != nil && s.kind == downlink.Video {
			m.peer.SetView(i, m.downlinkView(s.track))
		}
	}
}

var downlinkModes = map[signal.DataMode]downlink.DataMode{
	signal.DataAuto: downlink.Auto, signal.DataLow: downlink.Low, signal.DataVoiceOnly: downlink.VoiceOnly,
}

func (m *member) setDataMode(mode signal.DataMode) {
	m.dataMode = mode
	if m.peer != nil {
		m.peer.SetDataMode(downlinkModes[mode])
	}
}

// Owner names whose paths these are, for the media plane's memory of networks.
func (m *member) Owner() string {
	if m.identity == "" {
		return ""
	}
	return m.grants.Tenant + "\x00" + m.identity + "\x00" + m.device
}

// TakesHello says whether the client takes our hello of DTLS from signalling.
func (m *member) TakesHello() bool { return m.takesHello }

package sfu

import (
	"errors"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/mix"
	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/speaker"
)

const (
	// roomTick is how often a room looks at levels, connections and qualities.
	roomTick = 100 * time.Millisecond
	// qualityEvery is how often connection qualities are judged.
	qualityEvery = 2 * time.Second
	// roomInbox bounds what waits for a room.
	roomInbox = 4096
	// maxShortID is the largest short id of a track: it fits two bytes.
	maxShortID = 65535
)

// errRoomClosed says that a room ended before it could take a command.
var errRoomClosed = errors.New("room closed")

// room is one call. Its goroutine owns everything below inbox.
type room struct {
	engine *Engine // never changes
	tenant string  // never changes
	name   string  // never changes
	inbox  *mailbox.Box[func(now time.Time)]

	members   []*member // in order of joining
	tracks    map[string]*track
	byShort   map[uint32]*track
	nextShort uint32
	speakers  *speaker.Detector
	speaking  []signal.Speaker // as last told
	qualityAt time.Time
	mix       *peer.Mix // nil until somebody needs it
	noMix     bool      // it could not be made
	thin      map[mix.OutputConfig]*peer.Track
	mixShort  uint32    // under which mixes travel
	voicesAt  time.Time // when publishers' voices are looked at next
	ended     bool
	entered   bool // somebody was here, so an empty room ends
	locked    bool
}

// roomKey names a room of the node.
type roomKey struct{ tenant, name string }

func newRoom(e *Engine, key roomKey) *room {
	return &room{
		engine: e, tenant: key.tenant, name: key.name,
		inbox:    mailbox.New[func(time.Time)](roomInbox),
		tracks:   make(map[string]*track),
		byShort:  make(map[uint32]*track),
		speakers: speaker.New(speaker.Config{}),
	}
}

// post hands do to the room's goroutine; false when the room has ended.
func (r *room) post(do func(now time.Time)) bool { return r.inbox.PutUrgent(do) }

// call runs do on the room's goroutine and waits for its end; false when the
// room has ended.
func (r *room) call(do func(now time.Time)) bool {
	done := make(chan struct{})
	if !r.post(func(now time.Time) { defer close(done); do(now) }) {
		return false
	}
	<-done
	return true
}

func (r *room) run() {
	ticker := time.NewTicker(roomTick)
	defer ticker.Stop()
	for !r.ended {
		select {
		case <-r.inbox.Wake:
			now := time.Now()
			for _, do := range r.inbox.Take() {
				do(now)
			}
		case now := <-ticker.C:
			r.tick(now)
		}
		if r.entered && len(r.members) == 0 {
			r.ended = true
		}
	}
	r.engine.forget(r)
	r.inbox.Close()
	r.endMix()
	now := time.Now()
	if r.entered {
		r.observe(now, "", signal.RoomEvent{Kind: signal.RoomClosed})
	}
	for _, do := range r.inbox.Take() {
		do(now) // answers errRoomClosed where somebody waits
	}
}

// tick is the room's slow work.
func (r *room) tick(now time.Time) {
	r.listen(now)
	if r.askVoices(now) {
		r.blendVoices(now)
	}
	for _, m := range slices.Clone(r.members) {
		if m.gone(now, r.engine.cfg.ResumeFor) {
			r.remove(now, m, signal.ConnectionLost, "the connection did not come back in time", true)
		}
	}
	if !r.qualityAt.After(now) {
		r.qualityAt = now.Add(qualityEvery)
		r.judgeQuality(now)
		r.scoreVoices(now)
	}
}

// join lets m in and answers what it needs to know.
func (r *room) join(m *member, j *signal.Join) (*signal.Joined, error) {
	var joined *signal.Joined
	var err error
	ok := r.call(func(now time.Time) {
		if r.ended {
			err = errRoomClosed
			return
		}
		joined, err = r.enter(now, m, j)
	})
	if !ok {
		return nil, errRoomClosed
	}
	return joined, err
}

func (r *room) enter(now time.Time, m *member, j *signal.Join) (*signal.Joined, error) {
	opened := !r.entered
	r.entered = true
	old := r.memberOf(m)
	if r.locked && old == nil && !m.grants.Admin {
		return nil, signal.Errorf(signal.Locked, "this room has been locked: nobody else gets in")
	}
	if old == nil && len(r.members) >= r.engine.cfg.MaxRoomSize {
		return nil, signal.Errorf(signal.RoomFull, "this room holds %d participants already", len(r.members))
	}
	if len(r.members) > 0 { // it was asked before; but it may have been banned since
		if err := r.engine.bans.refuse(now, roomKey{r.tenant, r.name}, m.identity); err != nil {
			return nil, err
		}
	}
	m.home.Store(r)
	joined := &signal.Joined{
		Session: m.session.id, Participant: m.id, Identity: m.identity, Name: m.name, Room: r.name,
		Resume: m.session.resume, ResumeSeconds: int(r.engine.cfg.ResumeFor / time.Second),
		Slots: m.signalSlots(), Participants: []signal.Participant{}, PingSeconds: 10, Locked: r.locked, Gated: m.gated, Admin: m.grants.Admin,
	}
	for _, other := range r.members {
		if other != old && !other.hidden() && m.shown {
			joined.Participants = append(joined.Participants, other.describe())
		}
	}
	m.deaf = j.ListensLate && !slices.ContainsFunc(joined.Participants, signal.Participant.Shows)
	for i := range j.Publish {
		t, err := r.publish(m, &j.Publish[i])
		if err != nil {
			r.abandon(m)
			return nil, err
		}
		joined.Tracks = append(joined.Tracks, t.describe())
	}
	if old != nil {
		r.remove(now, old, signal.Replaced, "the same identity joined again from elsewhere", false)
	}
	r.members = append(r.members, m)
	r.engine.addSession(m.session)
	r.tellOthers(m, &signal.ParticipantJoined{Participant: m.describe()})
	if opened {
		r.observe(now, "", signal.RoomEvent{Kind: signal.RoomOpened})
	}
	r.observeJoined(now, m)
	if j.DataMode != "" {
		m.setDataMode(j.DataMode)
	}
	m.setDataBudget(j.DataBudget)
	r.assignAll()
	joined.Assignments = m.assignments()
	// The snapshot above is as of now: events before it need not be delivered.
	joined.Sequence = m.session.last()
	r.tellNewcomer(m)
	return joined, nil
}

// memberOf answers the member that m replaces: of its identity, and its device
// where that is known. nil if there is none.
func (r *room) memberOf(m *member) *member {
	for _, old := range r.members {
		if old.identity == m.identity && old.device == m.device {
			return old
		}
	}
	return nil
}

// tellNewcomer sends what otherwise is told only when it changes.
func (r *room) tellNewcomer(m *member) {
	if !m.shown {
		return
	}
	if len(r.speaking) > 0 {
		m.session.send(&signal.SpeakersChanged{Speakers: r.speaking})
	}
	var qualities []signal.ParticipantQuality
	for _, other := range r.members {
		if other != m && !other.hidden() && other.state != peer.Connecting {
			qualities = append(qualities, signal.ParticipantQuality{Participant: other.id, Quality: other.quality})
		}
	}
	if len(qualities) > 0 {
		m.session.send(&signal.QualityChanged{Participants: qualities})
	}
}

// abandon takes back what a join began that was refused.
func (r *room) abandon(m *member) {
	for _, t := range m.tracks {
		r.dropTrack(t)
	}
	m.tracks = nil
}

// remove ends a member's session and tells everybody.
func (r *room) remove(now time.Time, m *member, code signal.Code, why string, rejoin bool) {
	i := slices.Index(r.members, m)
	if i < 0 {
		return
	}
	r.members = slices.Delete(r.members, i, i+1)
	tracks := m.tracks
	m.tracks = nil
	for _, t := range tracks {
		r.dropTrack(t)
	}
	r.assignAll()
	for _, t := range tracks {
		m.unpublish(t)
	}
	m.session.close(&signal.Closed{Code: code, Message: why, Rejoin: rejoin})
	r.engine.endSession(now, m.session)
	r.observeLeft(now, m, code)
	r.tellOthers(m, &signal.ParticipantLeft{Participant: m.id, Reason: code})
	// Closing a connection waits for its goroutines, which may be waiting for
	// this one.
	r.engine.running.Go(m.closePeer)
}

// end ends the whole room.
func (r *room) end(now time.Time, code signal.Code, why string, rejoin bool) {
	for _, m := range slices.Clone(r.members) {
		r.remove(now, m, code, why, rejoin)
	}
	r.ended = true
}

// tellOthers sends an event to everybody but m. What a hidden member does is
// nobody's business.
func (r *room) tellOthers(m *member, body signal.EventBody) {
	if m.hidden() {
		return
	}
	for _, other := range r.members {
		if other != m && other.shown {
			other.session.send(body)
		}
	}
}

func (r *room) tellAll(body signal.EventBody) {
	for _, m := range r.members {
		if m.shown {
			m.session.send(body)
		}
	}
}

// shortID answers an unused short id; 0 when all are used.
func (r *room) shortID() uint32 {
	for range maxShortID {
		r.nextShort++
		if r.nextShort > maxShortID {
			r.nextShort = 1
		}
		if r.byShort[r.nextShort] == nil && r.nextShort != r.mixShort {
			return r.nextShort
		}
	}
	return 0
}

// slotEvents tells a member what it receives, and why not more.
func (r *room) slotEvents(m *member, events []downlink.Event) {
	states := make([]signal.SlotState, 0, len(events))
	for _, ev := range events {
		if ev.Slot >= len(m.slots) || m.slots[ev.Slot].kind != downlink.Video {
			continue
		}
		t := m.slots[ev.Slot].track
		if t == nil || t.short != ev.Source {
			continue
		}
		state := signal.SlotState{Slot: ev.Slot, Reason: ev.Reason.String(), Paused: ev.Kind == downlink.Paused}
		if !state.Paused {
			state.Width, state.Height = t.layerSize(int(ev.Spatial))
		}
		states = append(states, state)
	}
	if len(states) > 0 {
		m.session.send(&signal.SlotStates{States: states})
	}
}

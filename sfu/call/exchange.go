package call

import (
	"bytes"
	"container/heap"
	"slices"
	"time"
)

// Exchange holds the calls of one node or shard.
type Exchange struct {
	config Config
	calls  map[string]*call
	made   map[string][]*call  // by creator's user
	of     map[string][]string // ids of calls, sorted, by each of their users
	queue  queue               // by deadline
	now    time.Time           // the latest told
	out    []Event
}

// New makes an Exchange.
func New(config Config) (*Exchange, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Exchange{config: config, calls: map[string]*call{}, made: map[string][]*call{}, of: map[string][]string{}}, nil
}

// Do carries out one command. What is due by now happens before it, so the
// events may be of other calls too, and there may be some although the command
// is refused, with a *Refusal. A repeat is answered as the first time. A time
// before the latest told counts as that.
func (e *Exchange) Do(now time.Time, c Command) ([]Event, error) {
	e.now = later(now, e.now)
	e.expire()
	refusal := e.do(e.now, &c)
	events := e.out
	e.out = nil
	if refusal != nil {
		return events, refusal
	}
	return events, nil
}

// Tick does what is due by now: rings are missed, calls end, ended ones are
// forgotten.
func (e *Exchange) Tick(now time.Time) []Event {
	e.now = later(now, e.now)
	e.expire()
	events := e.out
	e.out = nil
	return events
}

// Next is when Tick must be called; zero for never.
func (e *Exchange) Next() time.Time {
	if len(e.queue) == 0 {
		return time.Time{}
	}
	return e.queue[0].due
}

// Len is how many calls there are, those that linger included.
func (e *Exchange) Len() int { return len(e.calls) }

// Snapshot is a call as it stands.
type Snapshot struct {
	ID       string
	State    State
	Creator  Device
	Group    bool
	Reason   Reason // ended: why
	Sequence uint64 // of its last event
	Users    []UserSnapshot
}

// UserSnapshot is a user of a call as it stands.
type UserSnapshot struct {
	User    string
	State   UserState
	Device  string    // that answered, if one has
	Expires time.Time // invited, alerting: when it is missed
}

// Call answers a call as it stands, if it is known.
func (e *Exchange) Call(id string) (Snapshot, bool) {
	c := e.calls[id]
	if c == nil {
		return Snapshot{}, false
	}
	s := Snapshot{ID: c.id, State: c.state, Creator: c.creator, Group: c.group, Reason: c.reason, Sequence: c.sequence}
	for _, u := range c.users {
		p := UserSnapshot{User: u.name, State: u.state, Device: u.device}
		if u.pending() {
			p.Expires = u.deadline
		}
		s.Users = append(s.Users, p)
	}
	return s, true
}

// CallsOf answers the calls that a user has made or was ever rung by, those that
// linger included, in the order of their ids.
func (e *Exchange) CallsOf(user string) []string {
	return slices.Clone(e.of[user])
}

// Gate answers what a device may do with media in a call.
func (e *Exchange) Gate(id string, d Device) Gate {
	if c := e.calls[id]; c != nil {
		if u := c.user(d.User); u != nil {
			if l := u.leg(d.ID); l != nil {
				return l.gate
			}
		}
	}
	return Closed
}

func (e *Exchange) do(now time.Time, m *Command) *Refusal {
	if refusal := m.validate(&e.config); refusal != nil {
		return refusal
	}
	c := e.calls[m.Call]
	if c == nil {
		if m.Verb == Create {
			return e.create(now, m)
		}
		return refuse(CodeUnknownCall, "")
	}
	if kept := c.memory(m.From); kept != nil {
		if r := kept.find(m.ID); r != nil {
			if r.verb != m.Verb {
				return refuse(CodeReused, "")
			}
			return r.refusal
		}
	}
	if m.Verb == Create {
		return refuse(CodeExists, "")
	}
	m.Payload = bytes.Clone(m.Payload) // the caller may reuse its buffer
	users := len(c.users)
	refusal := c.do(now, m)
	for _, u := range c.users[users:] {
		e.note(u.name, c.id)
	}
	c.know(m.From)
	if kept := c.memory(m.From); kept != nil {
		kept.add(remembered{m.ID, m.Verb, refusal}, e.config.Remembered)
	}
	e.schedule(c)
	if m.Verb == Ring && refusal == nil {
		e.glare(now, c)
	}
	return refusal
}

func (e *Exchange) create(now time.Time, m *Command) *Refusal {
	made := e.made[m.From.User]
	if len(e.calls) >= e.config.MaxCalls || len(made) >= e.config.MaxCallsOfUser {
		return refuse(CodeFull, "")
	}
	creator := &user{name: m.From.User, state: UserJoined, device: m.From.ID, since: now,
		legs: []*leg{{id: m.From.ID, answered: true}}}
	c := &call{id: m.Call, config: &e.config, emit: e.emit, creator: m.From, state: StateCreated,
		users: []*user{creator}, created: now, index: -1}
	c.memory(m.From).add(remembered{id: m.ID, verb: Create}, e.config.Remembered)
	e.calls[c.id] = c
	e.made[m.From.User] = append(made, c)
	e.note(m.From.User, c.id)
	c.tell(now, Event{Kind: OnCreated, To: c.members(), From: m.From, User: m.From.User, Payload: bytes.Clone(m.Payload)})
	c.gates(now)
	e.schedule(c)
	return nil
}

// note remembers that a user is of a call.
func (e *Exchange) note(user, id string) {
	ids := e.of[user]
	if i, found := slices.BinarySearch(ids, id); !found {
		e.of[user] = slices.Insert(ids, i, id)
	}
}

// unnote forgets it.
func (e *Exchange) unnote(user, id string) {
	ids := e.of[user]
	if i, found := slices.BinarySearch(ids, id); found {
		ids = slices.Delete(ids, i, i+1)
	}
	if e.of[user] = ids; len(ids) == 0 {
		delete(e.of, user)
	}
}

func (e *Exchange) emit(v Event) { e.out = append(e.out, v) }

// glare merges a call that has begun to ring with one that rings the other way.
func (e *Exchange) glare(now time.Time, c *call) {
	callee := c.pair()
	if callee == "" {
		return
	}
	var other *call
	for _, o := range e.made[callee] {
		if o.pair() == c.creator.User && (other == nil || o.id < other.id) {
			other = o
		}
	}
	if other == nil {
		return
	}
	stays, yields := c, other
	if yields.id < stays.id {
		stays, yields = yields, stays
	}
	payload := yields.users[1].payload // its ring says what its answer would
	yields.end(now, Device{}, ReasonGlare, stays.id, nil)
	answerer := stays.users[1]
	if l := answerer.leg(yields.creator.ID); l == nil || !l.rung {
		stays.turnUp(now, answerer, yields.creator) // beyond MaxDevices by one
	}
	stays.accept(now, answerer, yields.creator, ReasonGlare, payload)
	stays.gates(now)
	e.schedule(stays)
	e.schedule(yields)
}

// pair is the user whom a call of two rings, or empty if it is none or has been
// answered.
func (c *call) pair() string {
	if c.state == StateRinging && len(c.users) == 2 && c.users[0].in() && c.users[1].pending() {
		return c.users[1].name
	}
	return ""
}

// expire does what is due.
func (e *Exchange) expire() {
	for len(e.queue) > 0 && !e.queue[0].due.After(e.now) {
		c := e.queue[0]
		if c.state != StateEnded {
			c.expire(e.now)
			if e.schedule(c); !c.due.After(e.now) {
				panic("call: a deadline has passed and changed nothing")
			}
			continue
		}
		heap.Pop(&e.queue)
		delete(e.calls, c.id)
		for _, u := range c.users {
			e.unnote(u.name, c.id)
		}
		made := e.made[c.creator.User]
		if i := slices.Index(made, c); i >= 0 {
			made = slices.Delete(made, i, i+1)
		}
		if e.made[c.creator.User] = made; len(made) == 0 {
			delete(e.made, c.creator.User)
		}
	}
}

// schedule puts a call where its deadline belongs.
func (e *Exchange) schedule(c *call) {
	c.due = c.next()
	if c.index < 0 {
		heap.Push(&e.queue, c)
		return
	}
	heap.Fix(&e.queue, c.index)
}

// queue is a heap of calls by deadline, and by id where that is the same.
type queue []*call

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].id < q[j].id
	}
	return q[i].due.Before(q[j].due)
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	c := x.(*call)
	c.index = len(*q)
	*q = append(*q, c)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return c
}

package bwe

// State says what the controller is doing.
type State uint8

// States of the controller.
const (
	// Startup: nothing is known yet; a first train, then probes that triple the rate.
	Startup State = iota
	// Track: the rate follows the path.
	Track
	// Drain: below the capacity until the queue we caused is gone.
	Drain
	// Probing: a cluster of packets is measuring whether there is more.
	Probing
	// AppLimited: less is sent than allowed, so nothing is learnt; the target is held.
	AppLimited
	// Compete: another flow keeps the queue full; the rate holds a fair share.
	Compete
	// Blackout: no feedback; only the floor is sent.
	Blackout
	// Coarse: the receiver sends neither TWCC nor RFC 8888; the rate follows
	// loss and round-trip time of receiver reports alone.
	Coarse
	numStates
)

var stateNames = [numStates]string{"startup", "track", "drain", "probing", "app-limited", "compete", "blackout", "coarse"}

// String answers the state's name.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// MarshalText writes the state's name, for snapshots that operators read.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// event is what may change the state: something that happened, or what is
// found to be so when a decision is made.
type event uint8

const (
	// What happens.
	silence     event = iota // no report in time
	returned                 // a packet arrived after a silence
	moved                    // packets take another path
	coarseOnly               // a receiver report, and never a packet report
	packetsTold              // the first packet report
	// What is found, one of them for each decision; condition says when.
	unlimited // no limit of the path was met, and more is wanted
	probed    // a cluster is under way
	queued    // clearly less than the capacity is to be sent
	foreign   // there is a queue that is not ours
	unused    // less is sent than allowed
	steady    // none of these: the target is what matters
	numEvents
)

// set holds states or events, a bit for each.
type set uint16

func of[T State | event](members ...T) (s set) {
	for _, m := range members {
		s |= 1 << m
	}
	return s
}

func (s set) has(n uint8) bool { return s&(1<<n) != 0 }

// transition is one line of the table: from any of these states, on any of
// these events, to that state, for that reason.
type transition struct {
	from   set
	on     set
	to     State
	reason string
}

// transitions are all changes of state there are. An event that has none in a
// state leaves it as it is. The drawing in the package comment is made of them.
var transitions = [...]transition{
	{of(Startup, Track, Drain, Probing, AppLimited, Compete), of(silence), Blackout, "no feedback"},
	{of(Blackout), of(returned), Track, "a packet arrived again"},
	{of(Track, Drain, Probing, AppLimited, Compete, Blackout), of(moved), Startup, "route changed"},
	{of(Startup, Blackout), of(coarseOnly), Coarse, "receiver reports only"},
	{of(Coarse), of(packetsTold), Startup, "packet reports came"},

	{of(Track, Probing, AppLimited), of(unlimited), Startup, "no limit met yet"},
	{of(Startup, Track, Drain, AppLimited, Compete), of(probed), Probing, "probing for more"},
	{of(Startup, Track, Probing, AppLimited, Compete), of(queued), Drain, "draining the queue"},
	{of(Track, Drain, Probing), of(foreign), Compete, "a queue that is not ours"},
	{of(Startup, Track, Probing), of(unused), AppLimited, "less is sent than allowed"},

	{of(Startup), of(foreign, steady), Track, "a limit was met"},
	{of(Probing), of(steady), Track, "the probe was judged"},
	{of(AppLimited), of(foreign, steady), Track, "the target is used"},
	{of(Drain), of(unlimited, unused, steady), Track, "the queue is drained"},
	{of(Compete), of(unlimited, unused, steady), Track, "the queue that was not ours is gone"},
}

// lines finds the line of the table: one more than its index, 0 where there is none.
var lines = func() (l [numStates][numEvents]uint8) {
	for i, t := range transitions {
		for from := range numStates {
			for on := range numEvents {
				if t.from.has(uint8(from)) && t.on.has(uint8(on)) {
					l[from][on] = uint8(i + 1)
				}
			}
		}
	}
	return l
}()

// machine is the state, and how often each change was made.
type machine struct {
	state  State
	reason string
	taken  [numStates][numEvents]uint32
}

// apply changes the state as the table says. It is the only way to.
func (m *machine) apply(e event) bool {
	line := lines[m.state][e]
	if line == 0 {
		return false
	}
	m.taken[m.state][e]++
	t := &transitions[line-1]
	m.state, m.reason = t.to, t.reason
	return true
}

// settle lets the state follow what is found. From any state it takes at most
// two changes to the one that a condition asks for.
func (c *Controller) settle(factor float64) {
	e := c.condition(factor)
	for c.machine.apply(e) {
	}
	switch c.machine.state {
	case Startup:
		if c.cold && c.lastFeedback != 0 {
			c.machine.reason = "measuring with a first train"
		} else if c.lastFeedback != 0 {
			c.machine.reason = "no limit met yet"
		}
	case Track:
		c.machine.reason = c.tracking()
	}
}

// condition is what is found: the first of these that is so.
func (c *Controller) condition(factor float64) event {
	switch {
	case c.cold:
		return unlimited
	case c.probe.active():
		return probed
	case c.test.active:
		return steady
	case factor < 0.95:
		return queued
	case c.compete.on || c.delays.offset > 0:
		return foreign
	case !c.learned && (c.lastFeedback == 0 || c.wanted() > 0):
		return unlimited
	case c.test.holds(c.now):
		return steady
	case c.sending.rate() < c.capacity.Scale(used):
		return unused
	}
	return steady
}

// tracking says what Track is about.
func (c *Controller) tracking() string {
	switch {
	case c.test.active:
		return "testing whose loss it is"
	case c.test.holds(c.now):
		return "held below a limit without a queue"
	case !c.quiet:
		return "at the capacity measured"
	}
	return "no queue, rising"
}

// silenced says that no report comes: only the floor is offered.
func (c *Controller) silenced() bool { return c.machine.state == Blackout }

// coarsely says that receiver reports are all there is.
func (c *Controller) coarsely() bool { return c.machine.state == Coarse }

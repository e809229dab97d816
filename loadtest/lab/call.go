package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Call is the plan of a whole call: who is in it, over which networks, what
// they send and when. Only the full back end runs it.
type Call struct {
	People []Person
	// PlainVoice has sound sent as microphones make it, whatever the links
	// carry: to see what adapting it is good for.
	PlainVoice bool
	// Repair is how loss of pictures is made up for, on the way up and down: fec,
	// retransmission or none; "" for all that there is.
	Repair string
	// Untold has nobody told how to send: publishers are held to what is wanted
	// by REMB alone, as those of other makers.
	Untold bool
	// Windows are times that metrics are measured in for themselves, beside the
	// whole call.
	Windows []Window
}

// Window is a time with a name; it may have several parts.
type Window struct {
	Name  string
	Spans []Span
	// Against is another window that this one is compared with.
	Against string
}

// holds says whether a time is in the window.
func (w *Window) holds(at time.Duration) bool {
	for _, s := range w.Spans {
		if at >= s.From && at < s.To {
			return true
		}
	}
	return false
}

// length is how long the window is.
func (w *Window) length() (d time.Duration) {
	for _, s := range w.Spans {
		d += s.To - s.From
	}
	return d
}

// begin is when the window begins.
func (w *Window) begin() time.Duration { return w.Spans[0].From }

// Person is one participant with a host, a network and a client of its own.
type Person struct {
	Name string
	// Networks are the links to the server, the first from the beginning. Only
	// this person's packets are on them.
	Networks []Network
	// Join is when the person presses the button. Ready says that the
	// signalling connection was open before.
	Join  time.Duration
	Ready bool
	// Voice is what the microphone sends; nil without one.
	Voice *Voice
	// Camera is the width of the camera's picture, 16 to 9; 0 without one.
	Camera int
	// Slots is how many pictures are shown; 0 for none.
	Slots int
}

// Network is a person's way to the server from a time on.
type Network struct {
	From     time.Duration
	Down, Up link.Config
	// Change is how the person comes to it; of the first it means nothing.
	Change Change
}

// Change is how an address changes.
type Change string

// Changes.
const (
	// Rebound: a translator before the host forgets its mappings, so that the
	// host's packets come from another port. The host learns nothing of it.
	Rebound Change = "rebound"
	// Restarted: the host has another address, knows it, and restarts ICE.
	Restarted Change = "restarted"
	// Roamed: the host has another address, and its sockets for media, bound to
	// none, go on from there.
	Roamed Change = "roamed"
)

// Voice is what a microphone hears.
type Voice struct {
	// Rate is the payload's while somebody speaks, as long as nobody asks for
	// another; 0 = 24 kbit/s in packets of 20 ms, which is what our clients
	// begin with.
	Rate       units.Rate
	PacketTime time.Duration
	// Turns are when the person speaks, without pauses; silence is not sent
	// (DTX). None: always.
	Turns []Span
	// Spurts makes pauses as people do (ITU-T P.59).
	Spurts bool
}

// Clone answers a copy whose people and networks are its own.
func (c *Call) Clone() Call {
	own := *c
	own.People = slices.Clone(c.People)
	for i := range own.People {
		own.People[i].Networks = slices.Clone(own.People[i].Networks)
	}
	return own
}

// maxPeople bounds a call.
const maxPeople = 32

// validate says what is wrong with the call.
func (c *Call) validate(name string, d time.Duration) error {
	if len(c.People) < 2 || len(c.People) > maxPeople {
		return fmt.Errorf("lab: %s: a call of %d", name, len(c.People))
	}
	names := map[string]bool{}
	for _, p := range c.People {
		switch {
		case p.Name == "" || names[p.Name]:
			return fmt.Errorf("lab: %s: two people named %q, or one without a name", name, p.Name)
		case len(p.Networks) == 0 || p.Networks[0].From != 0:
			return fmt.Errorf("lab: %s: %s has no network at first", name, p.Name)
		case p.Join < 0 || p.Join >= d:
			return fmt.Errorf("lab: %s: %s joins at %v", name, p.Name, p.Join)
		case p.Camera < 0 || p.Camera > 1920 || p.Slots < 0 || p.Slots > 9:
			return fmt.Errorf("lab: %s: %s has a camera of %d and %d slots", name, p.Name, p.Camera, p.Slots)
		}
		names[p.Name] = true
		for _, n := range p.Networks {
			for _, l := range []link.Config{n.Down, n.Up} {
				if err := l.Validate(); err != nil {
					return fmt.Errorf("lab: %s: network of %s: %w", name, p.Name, err)
				}
			}
		}
	}
	return nil
}

// CallRecording is what happened in a call. Times count from its beginning.
type CallRecording struct {
	People []PersonRecording // in the plan's order
}

// PersonRecording is what one person did, heard and saw.
type PersonRecording struct {
	// Down and Up are all packets on the person's links, in order.
	Down, Up []PacketRecord
	// Ready is when the button was pressed and what was needed before was
	// there; Joined when the server had answered, Connected when media could
	// flow; 0 when it never came to that.
	Ready, Joined, Connected time.Duration
	// Failed says why the call ended for this person, if it did.
	Failed string
	// Spoken are the packets of the microphone.
	Spoken []SpokenRecord
	// Heard is what was played, in all slots.
	Heard []HeardRecord
	// Seen are the pictures that were shown.
	Seen []SeenRecord
	// Told is what the server said of the pictures.
	Told []ToldRecord
	// States are what the server and the client decided, each StateStep.
	States []StateRecord
	// Playout is the client's own count.
	Hole, LongestGap float64 // share, seconds
}

// StateStep is how often the state of a person is noted.
const StateStep = 200 * time.Millisecond

// SpokenRecord is a packet of a microphone.
type SpokenRecord struct {
	At, Length time.Duration
	Voice      bool // somebody speaks
	Size       units.Size
	TOC        uint8
}

// HeardRecord is a stretch that one slot played.
type HeardRecord struct {
	At, Length time.Duration
	Slot       int
	Kind       HeardKind
	// From is who spoke and Number which of his packets it was; -1 unknown.
	From, Number int
}

// HeardKind is what a stretch of sound was.
type HeardKind uint8

// Kinds of sound.
const (
	HeardSilence   HeardKind = iota // nothing was said
	HeardVoice                      // what was said
	HeardConcealed                  // a guess
	HeardNothing                    // something was due, and nothing was there
)

// SeenRecord is a picture as it was shown.
type SeenRecord struct {
	At            time.Duration
	Slot, From    int
	Width, Height int
}

// ToldRecord is a slot's state as the server told it.
type ToldRecord struct {
	At     time.Duration
	Slot   int
	Paused bool
	Reason string
}

// StateRecord is what was decided at a time.
type StateRecord struct {
	At time.Duration
	// Down is the server's estimate of the way to the person, and Mode how
	// voice is sent there; Up the client's of the way to the server.
	Down, Up units.Rate
	Mode     string
	// Granted is what all slots were granted, Oracle what they would have been
	// if the capacity of the link had been known; 0 without a limit.
	Granted, Oracle units.Rate
	// Layers are the granted pictures, one letter for each slot: the spatial
	// layer, or - for none.
	Layers string
}

// Package signal is the signalling port: the closed list of commands, replies,
// events and error codes through which anything outside talks to the engine.
//
// An adapter (WebSocket, WHIP, a message bus, a test) decodes what its wire
// carries into a Command, bounds it with Validate, hands it to Engine.Do and
// writes back the Reply; it follows Engine.Subscribe for events, which are
// numbered per session so that a client that lost its connection resumes after
// the last number it saw. The JSON names of the structs here are the wire
// format of version 1; unknown fields are ignored, so that both sides may grow.
package signal

import "context"

// Version is the version of the protocol that this package speaks.
const Version = 1

// Engine is what an adapter needs of the engine.
type Engine interface {
	// Do carries out one command. It is idempotent by Command.ID within a
	// session, and within a tenant for a backend. A refusal is an *Error with a
	// code from the closed list.
	Do(ctx context.Context, c Command) (Reply, error)
	// Subscribe delivers the events of one session after Filter.After, first
	// the missed ones, then live ones, until ctx ends or the session closes;
	// then the channel is closed. A newer subscription of the same session ends
	// an older one. Error code unknown_session; events_lost when Filter.After
	// is too old to be replayed.
	Subscribe(ctx context.Context, f Filter) (<-chan Event, error)
}

// Adapter serves the engine to one kind of client until ctx ends.
type Adapter interface {
	Name() string
	Serve(ctx context.Context, e Engine) error
}

// Marks remembers over restarts how far each reader of a feed has come.
// *switchboard.Board is one.
type Marks interface {
	// Mark answers 0 for a reader that it does not know.
	Mark(reader string) uint64
	SetMark(reader string, number uint64)
}

// Command is one request to the engine.
type Command struct {
	// ID makes the command safe to repeat: the same ID in the same session
	// answers the same reply without acting again. At most 64 bytes; empty
	// means that it is never repeated.
	ID string
	// Session is the session's id from Joined or Connected; empty for Join,
	// Connect and Resume, and for a backend's command.
	Session string
	// Backend is whose command it is where there is no session.
	Backend *Backend
	// Remote is the network address the command came from, without port; used
	// to limit rates, never logged with the identity.
	Remote string
	// Host is the name or address by which the client reached the adapter,
	// without port: relay servers on this node are named by it.
	Host string
	Body Body
}

// Filter selects the events of a subscription: of a session, or for a backend
// those of its tenant or of one call.
type Filter struct {
	Session string
	Backend *Backend
	// Call selects one call of the backend's; Event.Sequence is then its own
	// count, CallEvent.Number.
	Call string
	// After is the sequence number of the last event seen; 0 for all.
	After uint64
	// Lossy goes on with the oldest event that is kept where what comes after
	// After is gone, instead of ending with events_lost; for backends' feeds. The
	// numbers tell how many are missing.
	Lossy bool
}

// Event is one thing that happened, as one session sees it.
type Event struct {
	// Sequence counts the events of the session, tenant or call from 1 without
	// gaps.
	Sequence uint64
	Body     EventBody
}

// Body is one of the command types of this package.
type Body interface {
	// Type is the name on the wire.
	Type() string
	// Validate bounds every field; the error is an *Error.
	Validate() error
}

// Reply is one of the reply types of this package.
type Reply interface{ ReplyType() string }

// EventBody is one of the event types of this package.
type EventBody interface{ EventType() string }

package full

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Record is what happened in a run. Times count from the plan's start.
type Record struct {
	Name       string
	Controller Controller
	Seed       uint64
	Flows      []FlowRecord
	// Other are the packets of other traffic on the forward links.
	Other []Packet
	// Forward and Back account for what each link was offered.
	Forward, Back []link.Stats
	// Depth is the wait of a packet sent now in all forward links, one for
	// every DepthStep.
	Depth []time.Duration
}

// DepthStep is how often the queue is looked at from outside.
const DepthStep = 10 * time.Millisecond

// FlowRecord is what one flow did.
type FlowRecord struct {
	// Packets are all that the sender's end put on the links, in order.
	Packets []Packet
	// Reports are all that came back: feedback, ICE and signalling.
	Reports []Packet
	// Targets are the estimates as they changed.
	Targets []Target
}

// Packet is one packet on the links of one direction.
type Packet struct {
	Sent time.Duration
	// Arrived is when it came out at the other end, 0 if it did not.
	Arrived time.Duration
	// Waited is its time in queues, serialisation excluded.
	Waited time.Duration
	Size   units.Size // IP bytes
	Drop   link.Reason
	// Stream says that it was a segment of signalling, Voice that it carried
	// sound.
	Stream, Voice bool
	// Kind is what it was for, where its sender is known to tell.
	Kind lab.PacketKind
}

// Target is what the sender was allowed from a time on.
type Target struct {
	At   time.Duration
	Rate units.Rate
}

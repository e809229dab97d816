package feedback

const (
	// resync is how many packets in a row must lie outside the history before
	// the sender is taken to count anew rather than to be late or forged.
	resync = 16
	// lossBurst is how many missing packets in a row make a report urgent.
	lossBurst = 3
)

// numbering notes the arrivals of one sequence of 16-bit numbers.
type numbering struct {
	ring    []arrived // by sequence; a power of two
	highest int64     // newest sequence that arrived, unwrapped
	from    int64     // first that the next report speaks of
	strange int       // packets in a row outside the history
	pending bool      // something arrived that was not reported
}

// arrived is when a packet came, in ticks since the recorder's epoch, from 1;
// 0 = not at all. Its two lowest bits are the ECN codepoint.
type arrived int64

func arrivedAt(ticks int64, ecn uint8) arrived { return arrived((ticks+1)<<2 | int64(ecn&3)) }
func (a arrived) ticks() int64                 { return int64(a >> 2) }
func (a arrived) ecn() uint16                  { return uint16(a & 3) }

// at is the place of a sequence in the ring.
func (n *numbering) at(s int64) *arrived { return &n.ring[s&int64(len(n.ring)-1)] }

// begin starts a numbering at one packet.
func (n *numbering) begin(sequence uint16) {
	clear(n.ring)
	// One turn of the counter below, for packets that this one overtook.
	n.highest = 1<<16 + int64(sequence)
	n.from = n.highest
	n.strange = 0
}

// note takes an arrival in, and answers whether it came after a burst of losses.
func (n *numbering) note(sequence uint16, a arrived) (burst bool) {
	depth := int64(len(n.ring))
	s := n.highest + int64(int16(sequence-uint16(n.highest)))
	switch {
	case s <= n.highest-depth, s >= n.highest+depth:
		if n.strange++; n.strange < resync {
			return false
		}
		n.begin(sequence)
		s = n.highest
	case s > n.highest:
		burst = s-n.highest > lossBurst
		for i := n.highest + 1; i <= s; i++ {
			*n.at(i) = 0
		}
		n.highest = s
		n.from = max(n.from, s-depth+1)
	}
	n.strange = 0
	if *n.at(s) != 0 {
		return burst // only the first arrival counts
	}
	*n.at(s) = a
	n.from = min(n.from, s) // reported missing before: say it again
	n.pending = true
	return burst
}

// reported says that a report spoke of everything before a sequence.
func (n *numbering) reported(to int64) {
	n.from = to
	n.pending = to <= n.highest
}

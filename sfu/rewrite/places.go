package rewrite

// ringSize is how many packets back a late one may still find its place: more
// than a second of the largest layer, within which a retransmission comes or
// is of no use any more. A power of two.
const ringSize = 512

// state is what became of an incoming packet.
type state uint8

const (
	unknown state = iota
	missing       // not seen; its number is kept free
	sent
	dropped
)

// place is what is known of one incoming packet.
type place struct {
	number uint32 // low half of the extended number: which packet this is
	shift         // if missing
	state  state
}

// places remembers the last ringSize packets of the current source. Those of
// an earlier one are kept off by Stream.first.
type places struct {
	ring [ringSize]place
}

func (r *places) set(extended int64, p place) {
	p.number = uint32(extended)
	r.ring[extended&(ringSize-1)] = p
}

// missing answers the shift that was kept for a packet not seen so far.
func (r *places) missing(extended int64) (shift, bool) {
	p := &r.ring[extended&(ringSize-1)]
	if p.state != missing || p.number != uint32(extended) {
		return shift{}, false
	}
	return p.shift, true
}

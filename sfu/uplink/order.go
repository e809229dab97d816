package uplink

const (
	// MaxDropout is the largest leap ahead, in packets, that is believed at
	// once; RFC 3550 §A.1.
	MaxDropout = 3000

	// probation is how many packets in a row it takes to believe that a source
	// restarted far away; RFC 3550 §A.1 (MIN_SEQUENTIAL).
	probation = 2
	// nearProbation is the same where the packets could just as well be old
	// ones that were held up somewhere.
	nearProbation = 50
	// plausible is how far, in seconds, the timestamp of a late packet may lie
	// from the newest one. Further away it is another source's packet.
	plausible = 10

	cycle = 1 << 16
)

// place says where a packet lies relative to the stream.
type place uint8

const (
	first   place = iota // of the stream
	ahead                // newer than all others
	behind               // late, or a duplicate
	restart              // first believed packet of a restarted source
	outside              // not believed
)

// order unwraps the sequence numbers of one stream (RFC 3550 §A.1). The low 16
// bits of an unwrapped number are the sequence number itself; the first one is
// at least 65536, so that what comes before it is positive too.
type order struct {
	reach     int64 // how far behind the highest a packet may be
	started   bool
	highest   int64
	timestamp uint32 // of the highest

	expected uint16 // next sequence number of a source that may have restarted
	run      int64  // how many of its packets came in a row
	refused  int64  // how many were refused before the last restart
}

// place unwraps one sequence number and moves the head of the stream, except
// for ahead, where the caller does it once it has noted the gap.
func (o *order) place(sequence uint16, timestamp, clockRate uint32) (int64, place) {
	if !o.started {
		o.started = true
		o.highest, o.timestamp = cycle+int64(sequence), timestamp
		return o.highest, first
	}
	extended := o.nearest(sequence)
	distance := extended - o.highest
	drift := int64(int32(timestamp - o.timestamp))
	near := max(drift, -drift) < plausible*int64(clockRate)
	switch {
	case 0 < distance && distance < MaxDropout:
		o.run, o.timestamp = 0, timestamp
		return extended, ahead
	case distance <= 0 && -distance < o.reach && near:
		o.run = 0
		return extended, behind
	}
	return o.suspect(sequence, timestamp, near && distance < 0 && -distance < MaxDropout)
}

// suspect counts packets that do not fit, and believes them when enough of
// them follow one another.
func (o *order) suspect(sequence uint16, timestamp uint32, near bool) (int64, place) {
	if o.run == 0 || sequence != o.expected {
		o.run = 0
	}
	o.run++
	o.expected = sequence + 1
	if o.run < probation || (near && o.run < nearProbation) {
		return 0, outside
	}
	// Two cycles further on no number of the new run meets one of the old,
	// whatever comes late.
	o.highest = (o.highest/cycle+2)*cycle + int64(sequence)
	o.timestamp, o.refused, o.run = timestamp, o.run-1, 0
	return o.highest, restart
}

// nearest unwraps a sequence number to the value closest to the highest.
func (o *order) nearest(sequence uint16) int64 {
	return o.highest + int64(int16(sequence-uint16(o.highest)))
}

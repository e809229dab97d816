package voice

import "time"

const (
	// delayMemory is how long the fastest packet is remembered, at least: twice
	// that at most.
	delayMemory = 15 * time.Second
	// delayRecent is over how long the fastest packet of now is taken: a queue
	// holds all of them back, jitter some.
	delayRecent = 400 * time.Millisecond
	// delayLeap is what no queue does: the source's clock began anew.
	delayLeap = 10 * time.Second
)

// Delay measures by how much longer packets take to come than the fastest lately
// did, from their timestamps alone: the queue on their way. The zero value has
// seen nothing.
type Delay struct {
	started   bool
	epoch     time.Time
	timestamp uint32
	elapsed   time.Duration // of sound, since the first packet

	old, young   time.Duration // fastest before turned, and since
	turned       time.Time
	last, recent time.Duration // fastest of the last span, and of the one that runs
	began        time.Time     // of that span
}

// Note takes one packet of sound as it arrives. Packets that came by
// retransmission are the caller's to leave out.
func (d *Delay) Note(now time.Time, timestamp uint32, payload []byte) {
	length := lengthOf(payload)
	if !d.started {
		*d = Delay{started: true, epoch: now, timestamp: timestamp}
	}
	step := time.Duration(int32(timestamp-d.timestamp)) * time.Millisecond / 48
	// The last sound of a packet is what has waited least.
	transit := now.Sub(d.epoch) - (d.elapsed + step + length)
	if step < 0 {
		return // reordered
	}
	d.timestamp, d.elapsed = timestamp, d.elapsed+step
	switch {
	case d.turned.IsZero() || transit-d.last > delayLeap || d.last-transit > delayLeap:
		d.old, d.young, d.last, d.recent = transit, transit, transit, transit
		d.turned, d.began = now, now
	case now.Sub(d.turned) > delayMemory:
		d.old, d.young, d.turned = d.young, transit, now
	}
	d.young = min(d.young, transit)
	if now.Sub(d.began) > delayRecent {
		d.last, d.recent, d.began = d.recent, transit, now
	}
	d.recent = min(d.recent, transit)
}

// Queue is how long packets wait on their way now.
func (d *Delay) Queue() time.Duration {
	return max(0, min(d.last, d.recent)-min(d.old, d.young))
}

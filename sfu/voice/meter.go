package voice

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

const (
	// talkMemory is how much sound a measured rate remembers: a few sentences,
	// so that one loud word does not change the mode.
	talkMemory = 4 * time.Second
	riseFaster = 4
	// quietShare is what the duty keeps with each half second of silence: half
	// of it is forgotten in ten seconds, so that a pause in speech does not
	// give its share to a picture that must give it back.
	quietShare = 0.966
)

// Meter measures what a source's sound weighs. The zero value has measured
// nothing.
type Meter struct {
	bytes units.Size
	sound time.Duration

	rate   units.Rate
	packet time.Duration
	band   opuspkt.Bandwidth
	duty   float64
}

// add takes one packet that codes sound.
func (m *Meter) add(payload []byte, length time.Duration) {
	m.bytes += units.Size(len(payload))
	m.sound += length
	m.packet, m.band = length, opuspkt.TOC(payload[0]).Bandwidth()
}

// Take closes a measurement that lasted so long. It is to be called every half
// second or so.
func (m *Meter) Take(elapsed time.Duration) {
	if m.sound > 0 {
		rate := m.bytes.Over(m.sound)
		weight := m.sound.Seconds() / talkMemory.Seconds()
		if rate > m.rate {
			weight *= riseFaster // what is too little is felt at once
		}
		if m.rate == 0 {
			weight = 1
		}
		m.rate += units.Rate(float64(rate-m.rate) * min(1, weight))
	}
	duty := 1.0
	if elapsed > m.sound {
		duty = m.sound.Seconds() / elapsed.Seconds()
	}
	m.duty = max(duty, m.duty*quietShare)
	m.bytes, m.sound = 0, 0
}

// Rate is the payload rate while the source speaks; 0 when nothing was measured.
func (m *Meter) Rate() units.Rate { return m.rate }

// Packet is the packet time as published; 0 when nothing was measured.
func (m *Meter) Packet() time.Duration { return m.packet }

// Bandwidth is that of the last packet.
func (m *Meter) Bandwidth() opuspkt.Bandwidth { return m.band }

// Duty is the share of time, 0 to 1, in which the source sends: the most of
// late, slowly forgotten.
func (m *Meter) Duty() float64 { return m.duty }

// lengthOf is how long a payload sounds by its first two bytes; 0 when they
// say something that cannot be (RFC 6716 §3.1, §3.2).
func lengthOf(payload []byte) time.Duration {
	if len(payload) == 0 {
		return 0
	}
	toc := opuspkt.TOC(payload[0])
	count := 1
	switch toc.Code() {
	case 1, 2:
		count = 2
	case 3:
		if len(payload) < 2 {
			return 0
		}
		count = int(payload[1] & 63)
	}
	length := time.Duration(count) * toc.FrameDuration()
	if length > opuspkt.MaxDuration {
		return 0
	}
	return length
}

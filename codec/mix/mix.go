// Package mix makes one stream of several voices, and a thin one of a rich one.
//
// It is told which packets of which sources arrived (Push) and the time (Tick),
// and answers packets of its outputs. An output is either everybody but one
// source, for a receiver who cannot afford two streams and must not hear
// himself, or one source alone at another rate and packet time (transrating).
// Each output is encoded once, however many receivers it has: receivers are
// grouped by whoever calls.
//
//	packets -> jitter.Buffer -> decoder ─┐                 ┌─ limiter -> encoder -> everybody but 1
//	packets -> jitter.Buffer -> decoder ─┼─ sum of 20 ms ──┼─ limiter -> encoder -> everybody but 2
//	packets -> jitter.Buffer -> decoder ─┘                 └─ limiter -> encoder -> everybody
//	                                └───────────────────────────────────> encoder -> 3 alone, thinner
//
// What is silent is not sent: an output whose sources say nothing makes no
// packets, and its timestamps go on, so that a receiver sees a pause (RFC 7587
// §3.1.3, DTX). The first packet of the silence is sent, so that the receiver
// knows the pause from a loss; the first one after it carries the marker (RFC
// 3551 §4.1).
//
// A Mixer has no goroutine and no clock. It belongs to one goroutine, which
// calls Tick at Next. Without the codec (opus.Available) New answers
// opus.ErrUnavailable.
package mix

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
)

// Bounds of one mixer: more than a room's loudest, and than the groups that its
// receivers fall into.
const (
	MaxInputs  = 8
	MaxOutputs = 64
)

const (
	// SampleRate is that of the sound mixed, in Hz: wideband, all that the rates
	// of an output can carry.
	SampleRate = 16000
	// quantum is the time mixed in one go: the packet time of most sources.
	quantum = 20 * time.Millisecond
	samples = SampleRate / 50 // of a quantum
	// behind is how late a Tick may be before time is left out: the receivers
	// would have to keep what comes at once.
	behind = 200 * time.Millisecond
)

// Errors that a caller may want to tell apart.
var (
	ErrFull = errors.New("mix: too many inputs or outputs")
)

// Config tunes a mixer.
type Config struct {
	// Jitter is how long packets of the sources are waited for.
	Jitter jitter.Config
	// Complexity of the encoders, 0 to 10; see opus.EncoderConfig.
	Complexity int
}

// DefaultConfig is for conversation.
func DefaultConfig() Config {
	return Config{Jitter: jitter.DefaultConfig(), Complexity: opus.DefaultEncoderConfig().Complexity}
}

// OutputConfig says what an output carries, and how.
type OutputConfig struct {
	// Only is the one source to carry; 0 = all of them.
	Only uint32
	// Without is the source to leave out; 0 = none. It goes with Only = 0.
	Without uint32
	// Rate of the payload, headers excluded: 6 kbit/s or more.
	Rate units.Rate
	// PacketTime is 20, 40, 60, 80, 100 or 120 ms.
	PacketTime time.Duration
}

// Validate says what is out of range.
func (c OutputConfig) Validate() error {
	if c.Only != 0 && c.Without != 0 {
		return errors.New("mix: an output carries one source only, or all without one, not both")
	}
	if c.PacketTime < quantum || c.PacketTime > opus.MaxDuration || c.PacketTime%quantum != 0 {
		return fmt.Errorf("mix: a packet time of %v is not 20 to 120 ms in steps of 20", c.PacketTime)
	}
	return nil
}

// Packet is one packet of an output. Its payload is valid until emit returns.
type Packet struct {
	Timestamp uint32 // 48 kHz
	Marker    bool   // the first after a pause
	Payload   []byte
}

// Mixer mixes the sources of one room.
type Mixer struct {
	config  Config
	inputs  []*input // by source
	outputs []*Output
	next    time.Time // when the next quantum is due; zero before the first Tick
	sum     [samples]int32
}

// New answers an empty mixer, or opus.ErrUnavailable.
func New(c Config) (*Mixer, error) {
	if err := c.Jitter.Validate(); err != nil {
		return nil, err
	}
	if !opus.Available() {
		return nil, opus.ErrUnavailable
	}
	return &Mixer{config: c}, nil
}

// AddInput adds a source, whose id is not 0. Adding one again does nothing.
func (m *Mixer) AddInput(source uint32) error {
	at, found := m.find(source)
	switch {
	case found:
		return nil
	case source == 0:
		return errors.New("mix: source 0 is none")
	case len(m.inputs) == MaxInputs:
		return ErrFull
	}
	in, err := newInput(source, m.config.Jitter)
	if err != nil {
		return err
	}
	m.inputs = slices.Insert(m.inputs, at, in)
	return nil
}

// RemoveInput forgets a source.
func (m *Mixer) RemoveInput(source uint32) {
	if at, found := m.find(source); found {
		m.inputs = slices.Delete(m.inputs, at, at+1)
	}
}

// Inputs is how many sources there are.
func (m *Mixer) Inputs() int { return len(m.inputs) }

func (m *Mixer) find(source uint32) (int, bool) {
	return slices.BinarySearchFunc(m.inputs, source, func(in *input, s uint32) int {
		return int(in.source) - int(s)
	})
}

// Push gives a packet of a source, which is copied. A packet of an unknown
// source is Malformed.
func (m *Mixer) Push(now time.Time, source uint32, p jitter.Packet) jitter.Verdict {
	at, found := m.find(source)
	if !found {
		return jitter.Malformed
	}
	return m.inputs[at].buffer.Push(now, p)
}

// AddOutput adds an output, or says why not.
func (m *Mixer) AddOutput(c OutputConfig) (*Output, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(m.outputs) == MaxOutputs {
		return nil, ErrFull
	}
	o, err := newOutput(c, m.config.Complexity)
	if err != nil {
		return nil, err
	}
	m.outputs = append(m.outputs, o)
	return o, nil
}

// RemoveOutput ends an output.
func (m *Mixer) RemoveOutput(o *Output) {
	m.outputs = slices.DeleteFunc(m.outputs, func(other *Output) bool { return other == o })
}

// Outputs is how many outputs there are.
func (m *Mixer) Outputs() int { return len(m.outputs) }

// Next is when Tick wants to be called: at once before the first time.
func (m *Mixer) Next() time.Time { return m.next }

// Tick mixes what is due and hands finished packets to emit.
func (m *Mixer) Tick(now time.Time, emit func(*Output, Packet)) {
	if m.next.IsZero() {
		m.next = now
	}
	for late := now.Sub(m.next); late > behind; late = now.Sub(m.next) {
		skipped := late / quantum * quantum
		m.next = m.next.Add(skipped)
		for _, o := range m.outputs {
			o.skip(skipped)
		}
	}
	for ; !now.Before(m.next); m.next = m.next.Add(quantum) {
		m.mix(m.next, emit)
	}
}

// mix makes 20 ms of every output.
func (m *Mixer) mix(at time.Time, emit func(*Output, Packet)) {
	clear(m.sum[:])
	sounding := 0
	for _, in := range m.inputs {
		in.read(at)
		if in.sounding {
			sounding++
			for i, v := range in.pcm {
				m.sum[i] += int32(v)
			}
		}
	}
	for _, o := range m.outputs {
		own, heard := m.part(o.config, sounding)
		switch {
		case !heard:
			o.pause(emit)
		case o.config.Only != 0:
			o.feed(nil, own, emit)
		default:
			o.feed(&m.sum, own, emit)
		}
	}
}

// part answers the input that an output carries alone, or leaves out (nil when
// it is silent or not there), and whether anything sounds in the output.
func (m *Mixer) part(c OutputConfig, sounding int) (own *input, heard bool) {
	special := c.Only | c.Without // one of them is 0
	if special != 0 {
		if at, found := m.find(special); found && m.inputs[at].sounding {
			own = m.inputs[at]
		}
	}
	if c.Only != 0 {
		return own, own != nil
	}
	if own != nil {
		sounding--
	}
	return own, sounding > 0
}

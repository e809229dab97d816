//go:build cgo && opus

package mix

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

var start = time.Unix(1000, 0)

// source sends pcm in packets of 20 ms, but not where it is nil.
type source struct {
	id      uint32
	encoder *opus.Encoder
	pcm     []int16
	from    time.Duration // when it begins to speak
}

func newSource(t testing.TB, id uint32, pcm []int16) *source {
	t.Helper()
	c := opus.DefaultEncoderConfig()
	c.Rate, c.DTX = 24*units.Kbps, false
	e, err := opus.NewEncoder(c)
	if err != nil {
		t.Fatal(err)
	}
	return &source{id: id, encoder: e, pcm: pcm}
}

// send pushes what a source says at a time of the call.
func (s *source) send(t testing.TB, m *Mixer, at time.Duration) {
	t.Helper()
	i := int((at - s.from) / quantum)
	if at < s.from || (i+1)*samples > len(s.pcm) {
		return
	}
	p, err := s.encoder.Encode(s.pcm[i*samples:(i+1)*samples], make([]byte, 0, opus.MaxPacket))
	if err != nil {
		t.Fatal(err)
	}
	m.Push(start.Add(at), s.id, jitter.Packet{
		Sequence: uint16(at / quantum), Timestamp: 99 + opuspkt.Samples(at), Payload: p,
	})
}

// heard is what came out of one output.
type heard struct {
	packets []Packet
	at      []time.Duration
}

// play decodes it as a receiver would: silence where nothing was sent.
func (h *heard) play(t testing.TB) []int16 {
	t.Helper()
	d, err := opus.NewDecoder(SampleRate)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	for i, p := range h.packets {
		if i > 0 {
			due := int(p.Timestamp-h.packets[0].Timestamp) / 3
			if due < len(out) {
				t.Fatalf("packet %d is for sample %d, but %d were there", i, due, len(out))
			}
			out = append(out, make([]int16, due-len(out))...)
		}
		if out, err = d.Decode(p.Payload, out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// call runs the sources through m for a while.
func call(t testing.TB, m *Mixer, length time.Duration, sources ...*source) map[*Output]*heard {
	t.Helper()
	for _, s := range sources {
		if err := m.AddInput(s.id); err != nil {
			t.Fatal(err)
		}
	}
	all := make(map[*Output]*heard)
	for at := time.Duration(0); at < length; at += quantum {
		for _, s := range sources {
			s.send(t, m, at)
		}
		m.Tick(start.Add(at), func(o *Output, p Packet) {
			h := all[o]
			if h == nil {
				h = &heard{}
				all[o] = h
			}
			p.Payload = bytes.Clone(p.Payload)
			h.packets, h.at = append(h.packets, p), append(h.at, at)
		})
	}
	return all
}

func newMixer(t testing.TB) *Mixer {
	t.Helper()
	m, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func addOutput(t testing.TB, m *Mixer, c OutputConfig) *Output {
	t.Helper()
	if c.Rate == 0 {
		c.Rate = 12 * units.Kbps
	}
	if c.PacketTime == 0 {
		c.PacketTime = 60 * time.Millisecond
	}
	o, err := m.AddOutput(c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// carries says whether a source is heard in the output.
func (c OutputConfig) carries(source uint32) bool {
	if c.Only != 0 {
		return source == c.Only
	}
	return source != c.Without
}

// Three tones go in; everybody hears the two of the others and not his own, and
// a transrated one is alone.
func TestEverybodyButYourself(t *testing.T) {
	m := newMixer(t)
	tones := []float64{400, 700, 1100}
	outputs := []*Output{addOutput(t, m, OutputConfig{})}
	var sources []*source
	for i, hertz := range tones {
		id := uint32(i + 1)
		sources = append(sources, newSource(t, id, opustest.Sine(SampleRate, 3*SampleRate, hertz, 5000)))
		outputs = append(outputs, addOutput(t, m, OutputConfig{Without: id}))
	}
	alone := addOutput(t, m, OutputConfig{Only: 2, Rate: 8 * units.Kbps, PacketTime: 120 * time.Millisecond})
	outputs = append(outputs, alone)
	all := call(t, m, 3*time.Second, sources...)
	for _, o := range outputs {
		h := all[o]
		if h == nil {
			t.Fatalf("%+v: nothing came", o.config)
		}
		out := h.play(t)
		out = out[SampleRate/2:]
		for i, hertz := range tones {
			amplitude := opustest.Tone(out, SampleRate, hertz)
			wanted := o.config.carries(uint32(i + 1))
			if wanted && amplitude < 1000 || !wanted && amplitude > 300 {
				t.Errorf("%+v: %v Hz has %.0f, carried: %v", o.config, hertz, amplitude, wanted)
			}
		}
	}
	for _, p := range all[alone].packets {
		if d := opuspkt.Duration(p.Payload); d != 120*time.Millisecond {
			t.Fatalf("a packet of %v", d)
		}
	}
}

// Packets come in their time, one behind the other, as heavy as agreed.
func TestPace(t *testing.T) {
	for _, c := range []OutputConfig{
		{Rate: 6 * units.Kbps, PacketTime: 120 * time.Millisecond}, {Rate: 8 * units.Kbps, PacketTime: 60 * time.Millisecond},
		{Rate: 12 * units.Kbps, PacketTime: 20 * time.Millisecond},
	} {
		m := newMixer(t)
		o := addOutput(t, m, c)
		length := 6 * time.Second
		h := call(t, m, length, newSource(t, 1, opustest.Speech(SampleRate, 6*SampleRate, 140)))[o]
		bytes := 0
		for i, p := range h.packets {
			bytes += len(p.Payload)
			if p.Marker != (i == 0) {
				t.Errorf("%v: packet %d has marker %v", c.PacketTime, i, p.Marker)
			}
			if i > 0 && p.Timestamp-h.packets[i-1].Timestamp != opuspkt.Samples(c.PacketTime) {
				t.Errorf("%v: packet %d is %d samples on", c.PacketTime, i, p.Timestamp-h.packets[i-1].Timestamp)
			}
		}
		if want := int(length / c.PacketTime); len(h.packets) < want-4 {
			t.Errorf("%v: %d packets of %d", c.PacketTime, len(h.packets), want)
		}
		rate := float64(bytes*8) / (float64(len(h.packets)) * c.PacketTime.Seconds())
		if rate > 1.25*float64(c.Rate) {
			t.Errorf("%v at %v: %.0f bit/s", c.PacketTime, c.Rate, rate)
		}
	}
}

// Who says nothing costs nothing; a spurt begins with a marker, ends with one
// silent packet, and is where it was said.
func TestSilenceIsNotSent(t *testing.T) {
	m := newMixer(t)
	o := addOutput(t, m, OutputConfig{})
	early := newSource(t, 1, opustest.Speech(SampleRate, SampleRate, 140))
	early.from = time.Second
	late := newSource(t, 2, opustest.Speech(SampleRate, SampleRate, 210))
	late.from = 5 * time.Second
	h := call(t, m, 8*time.Second, early, late)[o]
	markers := 0
	for i, p := range h.packets {
		if p.Marker {
			markers++
			if want := time.Duration([]int{1, 5}[markers-1]) * time.Second; h.at[i] < want || h.at[i] > want+200*time.Millisecond {
				t.Errorf("spurt %d begins at %v", markers, h.at[i])
			}
		}
	}
	// The jitter buffer conceals 120 ms after a source that ends without a word.
	if spoken := len(h.packets) * 60; markers != 2 || spoken < 1900 || spoken > 2600 {
		t.Errorf("%d spurts, %d ms sent of 2000 spoken", markers, spoken)
	}
	if apart := h.packets[len(h.packets)-1].Timestamp - h.packets[0].Timestamp; apart < 4*48000 {
		t.Errorf("the pause is not in the timestamps: %d samples from the first packet to the last", apart)
	}
	if s := o.Stats(); s.Packets != uint64(len(h.packets)) || s.Silent < 5*time.Second {
		t.Errorf("%+v", s)
	}
}

// A microphone that sends the noise of a room all the time does not keep the
// output busy.
func TestNoiseIsSilence(t *testing.T) {
	m := newMixer(t)
	o := addOutput(t, m, OutputConfig{})
	quiet := opustest.Speech(SampleRate, 10*SampleRate, 140)
	for i := range quiet {
		if i > SampleRate { // after a second of speech only its noise goes on
			quiet[i] = int16(20 * math.Sin(float64(i*i)))
		}
	}
	h := call(t, m, 10*time.Second, newSource(t, 1, quiet))[o]
	if n := len(h.packets); n > 90 {
		t.Errorf("%d packets of 60 ms in 10 s, of which 1 s was speech", n)
	}
}

// Loud voices together are lowered, not cut off.
func TestLimiter(t *testing.T) {
	m := newMixer(t)
	o := addOutput(t, m, OutputConfig{Rate: 32 * units.Kbps})
	var sources []*source
	for i, hertz := range []float64{400, 430, 460} {
		sources = append(sources, newSource(t, uint32(i+1), opustest.Sine(SampleRate, 2*SampleRate, hertz, 25000)))
	}
	out := call(t, m, 2*time.Second, sources...)[o].play(t)
	cut := 0
	for _, s := range out {
		if s == math.MaxInt16 || s == math.MinInt16 {
			cut++
		}
	}
	if level := opustest.Level(out); cut*100 > len(out) || level < -12 {
		t.Errorf("%d of %d samples are cut off, level %.1f dB", cut, len(out), level)
	}
}

// Inputs and outputs come and go while it runs, and there is an end to both.
func TestComeAndGo(t *testing.T) {
	m := newMixer(t)
	for i := range MaxInputs {
		if err := m.AddInput(uint32(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.AddInput(100); !errors.Is(err, ErrFull) {
		t.Errorf("one input too many: %v", err)
	}
	if err := m.AddInput(1); err != nil || m.Inputs() != MaxInputs {
		t.Errorf("the same again: %v", err)
	}
	m.RemoveInput(3)
	if err := m.AddInput(0); err == nil {
		t.Error("input 0 was accepted")
	}
	if v := m.Push(start, 3, jitter.Packet{Payload: []byte{8, 1}}); v != jitter.Malformed {
		t.Errorf("a packet of nobody: %v", v)
	}
	first := addOutput(t, m, OutputConfig{})
	for m.Outputs() < MaxOutputs {
		addOutput(t, m, OutputConfig{})
	}
	if _, err := m.AddOutput(OutputConfig{Rate: 8000, PacketTime: 20 * time.Millisecond}); !errors.Is(err, ErrFull) {
		t.Errorf("one output too many: %v", err)
	}
	m.RemoveOutput(first)
	if m.Outputs() != MaxOutputs-1 {
		t.Error("it is still there")
	}
	if _, err := m.AddOutput(OutputConfig{Rate: 1, PacketTime: 20 * time.Millisecond}); err == nil {
		t.Error("1 bit/s was accepted")
	}
}

// A Tick that comes late makes up for a little and leaves out the rest.
func TestLateTick(t *testing.T) {
	m := newMixer(t)
	addOutput(t, m, OutputConfig{PacketTime: 20 * time.Millisecond})
	s := newSource(t, 1, opustest.Speech(SampleRate, 10*SampleRate, 140))
	if err := m.AddInput(1); err != nil {
		t.Fatal(err)
	}
	var stamps []uint32
	tick := func(at time.Duration) (made int) {
		m.Tick(start.Add(at), func(_ *Output, p Packet) { stamps = append(stamps, p.Timestamp); made++ })
		return made
	}
	for at := time.Duration(0); at < time.Second; at += quantum {
		s.send(t, m, at)
		tick(at)
	}
	for at := time.Second; at < 6*time.Second; at += quantum {
		s.send(t, m, at)
	}
	if made := tick(6 * time.Second); made > int(behind/quantum)+1 {
		t.Errorf("%d packets at once", made)
	}
	if apart := stamps[len(stamps)-1] - stamps[0]; apart < 5*48000 {
		t.Errorf("timestamps moved by %d samples in 6 s", apart)
	}
}

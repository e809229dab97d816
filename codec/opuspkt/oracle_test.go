//go:build opus

// What libopus says of the same packets. It needs cgo and libopus:
//
//	go test -tags opus,nolibopusfile ./codec/opuspkt
package opuspkt

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hraban/opus"

	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
)

// speech is a second and a half of something like it, then silence.
func speech() []int16 {
	pcm := opustest.Speech(48000, 72000, 140)
	clear(pcm[48000*12/10:])
	return pcm
}

// encode answers a second and a half in packets of the given length.
func encode(t *testing.T, frame time.Duration, rate int, setUp func(*opus.Encoder) error) (packets [][]byte) {
	t.Helper()
	encoder, err := opus.NewEncoder(48000, 1, opus.AppVoIP)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(encoder.SetBitrate(rate), setUp(encoder)); err != nil {
		t.Fatal(err)
	}
	pcm, size, buffer := speech(), int(Samples(frame)), make([]byte, 4000)
	for ; len(pcm) >= size; pcm = pcm[size:] {
		n, err := encoder.Encode(pcm[:size], buffer)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, bytes.Clone(buffer[:n]))
	}
	return packets
}

func plain(*opus.Encoder) error { return nil }

func newDecoder(t *testing.T) *opus.Decoder {
	t.Helper()
	decoder, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	return decoder
}

func decode(t *testing.T, packets [][]byte) (pcm []int16) {
	t.Helper()
	decoder, buffer := newDecoder(t), make([]int16, 5760)
	for _, packet := range packets {
		n, err := decoder.Decode(packet, buffer)
		if err != nil {
			t.Fatalf("%x: %v", packet, err)
		}
		if d := Duration(packet); int(Samples(d)) != n {
			t.Fatalf("%x: %v, libopus made %d samples", packet, d, n)
		}
		pcm = append(pcm, buffer[:n]...)
	}
	return pcm
}

// Merged as far as they go, and split again, packets decode to the same samples.
func TestOracleMerge(t *testing.T) {
	for _, rate := range []int{6000, 12000, 24000, 64000} {
		for _, frame := range []time.Duration{20 * time.Millisecond, 10 * time.Millisecond, 5 * time.Millisecond} {
			for _, count := range []int{2, 3, 6} {
				packets := encode(t, frame, rate, plain)
				want := decode(t, packets)
				var merged, split [][]byte
				var m Merger
				flush := func() {
					if m.Count() > 0 {
						merged = append(merged, m.Append(nil))
					}
					m.Reset()
				}
				for _, packet := range packets {
					err := m.Add(packet)
					if errors.Is(err, ErrDifferent) {
						flush()
						err = m.Add(packet)
					}
					if err != nil {
						t.Fatal(err)
					}
					if m.Count() == count {
						flush()
					}
				}
				flush()
				if len(merged) > len(packets)*2/3 {
					t.Fatalf("%d packets made of %d", len(merged), len(packets))
				}
				if !slices.Equal(decode(t, merged), want) {
					t.Errorf("%d bit/s, %d x %v: merging changed the sound", rate, count, frame)
				}
				for _, packet := range merged {
					p, err := Parse(packet)
					if err != nil {
						t.Fatal(err)
					}
					for i := range p.Count() {
						part, err := p.Append(nil, i, i+1)
						if err != nil {
							t.Fatal(err)
						}
						split = append(split, part)
					}
				}
				if !slices.EqualFunc(split, packets, bytes.Equal) {
					t.Errorf("%d bit/s, %d x %v: splitting did not restore the packets", rate, count, frame)
				}
			}
		}
	}
}

// libopus refuses what Parse refuses, and nothing else.
func TestOracleParse(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	decoder, buffer := newDecoder(t), make([]int16, 5760)
	good := 0
	for range 20000 {
		packet := make([]byte, 1+chance.IntN(40))
		for i := range packet {
			packet[i] = byte(chance.Uint32() >> chance.IntN(8))
		}
		if chance.IntN(2) == 0 {
			packet[0] |= 3
		}
		if chance.IntN(50) == 0 {
			packet = append(packet, make([]byte, 1200+chance.IntN(200))...)
		}
		n, err := decoder.Decode(packet, buffer)
		d := Duration(packet)
		if (err == nil) != (d > 0) || (err == nil && int(Samples(d)) != n) {
			t.Fatalf("%x lasts %v; libopus says %d samples, %v", packet, d, n, err)
		}
		if err == nil {
			good++
		}
	}
	if good < 2000 || good > 18000 {
		t.Errorf("%d of 20000 were good: a poor test", good)
	}
}

// Where LBRR is, and only there, forward error correction sounds different from
// concealment.
func TestOracleLBRR(t *testing.T) {
	corrected := func(encoder *opus.Encoder) error {
		return errors.Join(encoder.SetInBandFEC(true), encoder.SetPacketLossPerc(20))
	}
	for _, frame := range []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond} {
		with := 0
		for _, setUp := range []func(*opus.Encoder) error{corrected, plain} {
			packets := encode(t, frame, 24000, setUp)
			samples := int(Samples(frame))
			for i := 2; i < len(packets); i++ {
				a, b := newDecoder(t), newDecoder(t)
				history := make([]int16, samples)
				for _, packet := range packets[max(0, i-4) : i-1] {
					if _, err := a.Decode(packet, history); err != nil {
						t.Fatal(err)
					}
					if _, err := b.Decode(packet, history); err != nil {
						t.Fatal(err)
					}
				}
				fec, plc := make([]int16, samples), make([]int16, samples)
				if err := errors.Join(a.DecodeFEC(packets[i], fec), b.DecodePLC(plc)); err != nil {
					t.Fatal(err)
				}
				p, err := Parse(packets[i])
				if err != nil {
					t.Fatal(err)
				}
				// Without LBRR libopus conceals, but as the packet's configuration
				// asks: only after a packet of the same one is that the same.
				if !p.LBRR() && !Mergeable(p.TOC, TOC(packets[i-2][0])) {
					continue
				}
				if p.LBRR() == slices.Equal(fec, plc) {
					t.Errorf("%v packet %d: LBRR %v, but correction is concealment: %v", frame, i, p.LBRR(), slices.Equal(fec, plc))
				}
				if p.LBRR() {
					with++
				}
			}
		}
		if with < 5 {
			t.Errorf("%v: only %d packets with LBRR", frame, with)
		}
	}
}

// An encoder with DTX makes silent packets of silence, and of nothing else.
func TestOracleSilent(t *testing.T) {
	packets := encode(t, 20*time.Millisecond, 16000, func(encoder *opus.Encoder) error { return encoder.SetDTX(true) })
	silent := 0
	for i, packet := range packets {
		p, err := Parse(packet)
		if err != nil {
			t.Fatal(err)
		}
		if p.Silent() != (len(packet) <= 2) {
			t.Errorf("%d bytes, silent: %v", len(packet), p.Silent())
		}
		if p.Silent() {
			silent++
			if i < 60 {
				t.Errorf("packet %d of the speech is silent", i)
			}
		}
	}
	if silent < 2 {
		t.Errorf("%d silent packets", silent)
	}
}

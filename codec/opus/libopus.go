//go:build cgo && opus

package opus

import (
	"errors"
	"fmt"

	"github.com/hraban/opus"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

// Available says whether this program has the codec.
func Available() bool { return true }

// Encoder makes packets of sound.
type Encoder struct {
	lib    *opus.Encoder
	config EncoderConfig
}

// NewEncoder answers an encoder, or what is wrong with the configuration.
func NewEncoder(c EncoderConfig) (*Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	lib, err := opus.NewEncoder(c.SampleRate, 1, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("opus: make an encoder: %w", err)
	}
	e := &Encoder{lib: lib, config: c}
	err = errors.Join(lib.SetBitrate(int(c.Rate)), lib.SetComplexity(c.Complexity), lib.SetDTX(c.DTX),
		lib.SetInBandFEC(c.Loss > 0), lib.SetPacketLossPerc(c.Loss), lib.SetVBR(true))
	if err != nil {
		return nil, fmt.Errorf("opus: set the encoder up: %w", err)
	}
	return e, nil
}

// SetRate changes the rate of the payload, 6 to 510 kbit/s, between packets.
func (e *Encoder) SetRate(r units.Rate) error {
	c := e.config
	c.Rate = r
	if err := c.Validate(); err != nil {
		return err
	}
	e.config = c
	return e.lib.SetBitrate(int(r))
}

// Encode makes one packet of pcm, which lasts 2.5, 5, 10, 20, 40, 60, 80, 100 or
// 120 ms, in dst[:cap(dst)], and answers its bytes. MaxPacket bytes suffice.
func (e *Encoder) Encode(pcm []int16, dst []byte) ([]byte, error) {
	dst = dst[:cap(dst)]
	n, err := e.lib.Encode(pcm, dst)
	if err != nil {
		return nil, err
	}
	return dst[:n], nil
}

// Reset forgets what was encoded, for another voice.
func (e *Encoder) Reset() error { return e.lib.Reset() }

// Decoder makes sound of packets.
type Decoder struct {
	lib        *opus.Decoder
	sampleRate int
}

// NewDecoder answers a decoder for sound of 8000, 12000, 16000, 24000 or 48000
// samples a second, whatever the sender's was.
func NewDecoder(sampleRate int) (*Decoder, error) {
	if err := validSampleRate(sampleRate); err != nil {
		return nil, err
	}
	lib, err := opus.NewDecoder(sampleRate, 1)
	if err != nil {
		return nil, fmt.Errorf("opus: make a decoder: %w", err)
	}
	return &Decoder{lib: lib, sampleRate: sampleRate}, nil
}

// Decode appends the sound of a packet to pcm. A packet that is no Opus is
// refused before libopus sees it.
func (d *Decoder) Decode(packet []byte, pcm []int16) ([]int16, error) {
	p, err := opuspkt.Parse(packet)
	if err != nil {
		return pcm, err
	}
	pcm, free := room(pcm, Samples(d.sampleRate, p.Duration()))
	n, err := d.lib.Decode(packet, free)
	if err != nil {
		return pcm, err
	}
	return pcm[:len(pcm)+n], nil
}

// Conceal appends samples of a guess at what was lost (RFC 6716 §4.4). Samples
// is a multiple of 2.5 ms, 120 ms at the most.
func (d *Decoder) Conceal(samples int, pcm []int16) ([]int16, error) {
	pcm, free := room(pcm, samples)
	if err := d.lib.DecodePLC(free); err != nil {
		return pcm, err
	}
	return pcm[:len(pcm)+samples], nil
}

// Repair appends samples that were lost before a packet, from the copy in it
// (LBRR), or a guess where it has none. Samples is a multiple of 2.5 ms, 120 ms
// at the most. Decode the packet itself afterwards.
func (d *Decoder) Repair(packet []byte, samples int, pcm []int16) ([]int16, error) {
	if _, err := opuspkt.Parse(packet); err != nil {
		return pcm, err
	}
	pcm, free := room(pcm, samples)
	if err := d.lib.DecodeFEC(packet, free); err != nil {
		return pcm, err
	}
	return pcm[:len(pcm)+samples], nil
}

// room answers pcm with room for more samples, and that room: its capacity is
// exact, since that is what the binding goes by.
func room(pcm []int16, samples int) (grown, free []int16) {
	if cap(pcm)-len(pcm) < samples {
		grown = make([]int16, len(pcm), 2*cap(pcm)+samples)
		copy(grown, pcm)
		pcm = grown
	}
	end := len(pcm) + samples
	return pcm, pcm[len(pcm):end:end]
}

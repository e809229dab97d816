package mix

import (
	"time"

	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

// input is one source: what arrived of it, and the sound decoded but not mixed.
type input struct {
	source  uint32
	buffer  *jitter.Buffer
	decoder *opus.Decoder
	queue   []int16 // decoded sound
	runs    []run   // which samples of the queue are more than silence

	pcm      [samples]int16 // the quantum read last
	sounding bool           // whether anything in it is more than silence
}

// run is a stretch of the queue.
type run struct {
	length int
	sound  bool
}

func newInput(source uint32, c jitter.Config) (*input, error) {
	buffer, err := jitter.New(c)
	if err != nil {
		return nil, err
	}
	decoder, err := opus.NewDecoder(SampleRate)
	if err != nil {
		return nil, err
	}
	return &input{source: source, buffer: buffer, decoder: decoder}, nil
}

// read takes the next 20 ms, to be heard from at on.
func (in *input) read(at time.Time) {
	for len(in.queue) < samples {
		in.decode(at.Add(time.Duration(len(in.queue)) * time.Second / SampleRate))
	}
	copy(in.pcm[:], in.queue)
	in.queue = in.queue[:copy(in.queue, in.queue[samples:])]
	in.sounding = in.take(samples)
}

// decode adds what is to be played at a moment.
func (in *input) decode(at time.Time) {
	f := in.buffer.Pop(at)
	before := len(in.queue)
	n := opus.Samples(SampleRate, f.Duration)
	sound := f.Kind != jitter.Silence
	var err error
	switch f.Kind {
	case jitter.Play:
		p, bad := opuspkt.Parse(f.Payload)
		sound = bad == nil && !p.Silent()
		in.queue, err = in.decoder.Decode(f.Payload, in.queue)
	case jitter.Repair:
		in.queue, err = in.decoder.Repair(f.Payload, n, in.queue)
	case jitter.Conceal:
		in.queue, err = in.decoder.Conceal(n, in.queue)
	}
	if err != nil || f.Kind == jitter.Silence {
		// What libopus refuses is silence. At least one sample, or nothing
		// would ever end.
		in.queue = in.queue[:before]
		for range max(n, 1) {
			in.queue = append(in.queue, 0)
		}
		sound = false
	}
	in.put(len(in.queue)-before, sound)
}

// put and take keep which samples of the queue are sound.
func (in *input) put(length int, sound bool) {
	if last := len(in.runs) - 1; last >= 0 && in.runs[last].sound == sound {
		in.runs[last].length += length
		return
	}
	in.runs = append(in.runs, run{length, sound})
}

func (in *input) take(length int) (sound bool) {
	done := 0
	for i := range in.runs {
		r := &in.runs[i]
		n := min(r.length, length)
		r.length -= n
		length -= n
		sound = sound || (r.sound && n > 0)
		if r.length > 0 {
			break
		}
		done++
	}
	in.runs = in.runs[:copy(in.runs, in.runs[done:])]
	return sound
}

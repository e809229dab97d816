package mix

import (
	"math"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

const (
	// ceiling is how loud a sum may be, of 32767: below it nothing is changed.
	ceiling = 32000
	// recovery is the share of the lost gain that comes back in a quantum: half
	// in about 100 ms, too slow to be heard within a word.
	recovery = 0.125
)

// Output is one encoded stream.
type Output struct {
	config    OutputConfig
	encoder   *opus.Encoder
	timestamp uint32 // of pcm[0]
	pcm       []int16
	sounding  bool // something in pcm is more than silence
	talking   bool // the last packet made was sent, and no silence
	gain      float64
	packet    []byte
	stats     OutputStats
}

// OutputStats counts what an output did.
type OutputStats struct {
	Packets, Bytes uint64        // payloads
	Silent         time.Duration // not sent
	Failed         uint64        // packets that the encoder refused
}

func newOutput(c OutputConfig, complexity int) (*Output, error) {
	e := opus.DefaultEncoderConfig()
	e.SampleRate, e.Rate, e.Complexity = SampleRate, c.Rate, complexity
	encoder, err := opus.NewEncoder(e)
	if err != nil {
		return nil, err
	}
	return &Output{
		config: c, encoder: encoder, gain: 1,
		pcm:    make([]int16, 0, opus.Samples(SampleRate, c.PacketTime)),
		packet: make([]byte, 0, opus.MaxPacket),
	}, nil
}

// Config is what the output carries.
func (o *Output) Config() OutputConfig { return o.config }

// Stats answers what happened so far.
func (o *Output) Stats() OutputStats { return o.stats }

// SetRate changes the rate of the payload, 6 kbit/s or more.
func (o *Output) SetRate(r units.Rate) error {
	if err := o.encoder.SetRate(r); err != nil {
		return err
	}
	o.config.Rate = r
	return nil
}

// feed adds 20 ms: a sum without own, or own alone where there is no sum.
func (o *Output) feed(sum *[samples]int32, own *input, emit func(*Output, Packet)) {
	var v [samples]int32
	switch {
	case sum == nil:
		for i, s := range own.pcm {
			v[i] = int32(s)
		}
	case own == nil:
		v = *sum
	default:
		for i, s := range own.pcm {
			v[i] = sum[i] - int32(s)
		}
	}
	o.limit(&v)
	o.sounding = true
	o.finish(emit)
}

// limit appends v, lowered as a whole where it would be too loud: what is cut
// off crackles. The gain changes over the quantum, so that no step is heard.
func (o *Output) limit(v *[samples]int32) {
	peak := int32(0)
	for _, s := range v {
		peak = max(peak, s, -s)
	}
	from, to := o.gain, o.gain+(1-o.gain)*recovery
	if float64(peak)*to > ceiling {
		to = ceiling / float64(peak)
		from = min(from, to) // at once: the loud part may be the first
	}
	o.gain = to
	for i, s := range v {
		g := from + (to-from)*float64(i)/samples
		o.pcm = append(o.pcm, int16(max(min(float64(s)*g, math.MaxInt16), math.MinInt16)))
	}
}

// pause adds 20 ms of silence. Between packets it is not kept: the next packet
// begins with the next sound.
func (o *Output) pause(emit func(*Output, Packet)) {
	if len(o.pcm) == 0 && !o.talking {
		o.skip(quantum)
		return
	}
	o.pcm = append(o.pcm, silence[:]...)
	o.finish(emit)
}

var silence [samples]int16

// skip lets time pass in which nothing is sent. What was begun is given up.
func (o *Output) skip(d time.Duration) {
	d += time.Duration(len(o.pcm)) * time.Second / SampleRate
	o.pcm, o.sounding = o.pcm[:0], false
	o.timestamp += opuspkt.Samples(d)
	o.stats.Silent += d
	o.talking = false
}

// finish makes a packet when its time is full. The first silent one after a
// spurt is sent, and no other.
func (o *Output) finish(emit func(*Output, Packet)) {
	if len(o.pcm) < cap(o.pcm) {
		return
	}
	packet, err := o.encoder.Encode(o.pcm, o.packet)
	at, sounding := o.timestamp, o.sounding
	o.timestamp += opuspkt.Samples(o.config.PacketTime)
	o.pcm, o.sounding = o.pcm[:0], false
	if err != nil {
		o.stats.Failed++
		o.talking = false
		return
	}
	// The encoder finds silence too, in the noise of a source that sends all the
	// time: it answers a table of contents without frames.
	sounding = sounding && len(packet) > 2
	if !sounding && !o.talking {
		o.stats.Silent += o.config.PacketTime
		return
	}
	marker := !o.talking
	o.talking = sounding
	o.stats.Packets++
	o.stats.Bytes += uint64(len(packet))
	emit(o, Packet{Timestamp: at, Marker: marker, Payload: packet})
}

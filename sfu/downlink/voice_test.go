package downlink

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// voiceConfig is config with a slot of sound as browsers negotiate it with us.
func voiceConfig() Config {
	cfg := config(1)
	cfg.Slots[0].NACK = true
	cfg.Slots[0].Codecs = append(cfg.Slots[0].Codecs, Codec{Kind: codec.RED, PayloadType: redType})
	return cfg
}

const (
	// alignments are the calls of which the middle one, or their mean, is judged: by which
	// packet a report leaves is chance, and one call of twenty-four shows five times as many
	// steps as the others.
	alignments = 5
	// alignment is what their paths differ by.
	alignment = 1500 * time.Microsecond
)

// An audio-only call follows its path all the way down, and up again: what is
// said arrives whole, and no queue builds up for long.
func TestVoiceFollowsThePath(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int          // of 20 ms of sound
		rates []units.Rate // of the path, half a minute each
	}{
		{"12 kbit/s", 30, []units.Rate{60_000, 40_000, 30_000, 24_000, 20_000, 60_000}},
		{"6 kbit/s", 15, []units.Rate{50_000, 30_000, 20_000, 14_000, 12_000, 50_000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sounds := make([][]time.Duration, len(c.rates)) // by rate, of each alignment
			waits := make([][]time.Duration, len(c.rates))
			for k := range alignments {
				call := newCall(t, config(1), c.rates[0])
				call.voiceSize = c.size
				call.wire.delay = 150*time.Millisecond + time.Duration(k)*alignment
				call.speak(0, 7)
				for i, rate := range c.rates {
					call.wire.rate = rate
					call.run(10 * time.Second)
					since := call.now
					call.wire.maxWait = 0
					call.run(20 * time.Second)
					mode, sound := call.d.Stats().Slots[0].Voice.Mode, call.sound(0, since)
					sounds[i], waits[i] = append(sounds[i], sound), append(waits[i], call.wire.maxWait)
					t.Logf("%v: %v, %v used, queue %v, sound %v", rate, mode, call.bitrate(0, since), call.wire.maxWait, sound)
					want := voice.Mode{}
					if i == len(c.rates)-2 {
						want.Packet = 120 * time.Millisecond
					}
					if (i == 0 || i >= len(c.rates)-2) && mode != want {
						t.Errorf("on %v the mode is %v, want %v", rate, mode, want)
					}
				}
				if call.wire.lost > 10 {
					t.Errorf("%d packets lost in the path's queue", call.wire.lost)
				}
			}
			for i, rate := range c.rates {
				slices.Sort(sounds[i])
				slices.Sort(waits[i])
				sound, wait := sounds[i][alignments/2], waits[i][alignments/2]
				// A probe of the path is a few hundred bytes, which last on a thin one.
				limit := 250*time.Millisecond + units.Size(500).At(rate)
				if sound < 19*time.Second+700*time.Millisecond || wait > limit {
					t.Errorf("on %v: %v of sound in 20 s, queue of %v (medians of %v and %v)", rate, sound, wait, sounds[i], waits[i])
				}
			}
		})
	}
}

// opusFrames are the frames of a slot in the order of time, with what RED
// repairs, and how many packets of its stream never came.
func (c *call) opusFrames(slot int) (all []uint32, missing int) {
	var w red.Window
	var found []red.Frame
	got := c.media(slot)
	numbers := map[uint16]bool{}
	for _, r := range got {
		numbers[r.Sequence] = true
		if r.PayloadType == redType {
			var err error
			if found, err = w.Recover(found[:0], r.Timestamp, r.payload); err != nil {
				c.t.Fatalf("RED that cannot be read: %v", err)
			}
		} else if found = found[:0]; w.Fresh(r.Timestamp, r.payload) {
			found = append(found, red.Frame{Timestamp: r.Timestamp, Data: r.payload})
		}
		for _, f := range found {
			p, err := opuspkt.Parse(f.Data)
			if err != nil {
				c.t.Fatal(err)
			}
			for i := range p.Count() {
				all = append(all, f.Timestamp+uint32(i)*960)
			}
		}
	}
	slices.Sort(all)
	for n := got[0].Sequence; n != got[len(got)-1].Sequence; n++ {
		if !numbers[n] {
			missing++
		}
	}
	return all, missing
}

// Redundancy comes with loss, repairs what it can, and goes with it.
func TestRedundancyFollowsLoss(t *testing.T) {
	c := newCall(t, voiceConfig(), units.Mbps)
	c.voiceSize = 30
	c.wire.delay = 150 * time.Millisecond // too far to ask again
	chance, percent := rand.New(rand.NewPCG(1, 2)), 0
	c.wire.loses = func() bool { return chance.IntN(100) < percent }
	c.speak(0, 7)
	c.run(10 * time.Second)
	if m := c.d.Stats().Slots[0].Voice.Mode; m != (voice.Mode{}) {
		t.Errorf("without loss on 1 Mbit/s the mode is %v", m)
	}
	percent = 20
	c.run(10 * time.Second)
	st := c.d.Stats()
	if st.Slots[0].Voice.Mode.Redundancy == 0 || st.VoiceLoss < 0.05 {
		t.Errorf("with 20 %% of loss the mode is %v, loss counts as %.2f", st.Slots[0].Voice.Mode, st.VoiceLoss)
	}
	c.got[0] = nil
	since := c.now
	c.run(30 * time.Second)
	if r := c.bitrate(0, since); r > 45*units.Kbps {
		t.Errorf("%v arrive of what may cost 45 kbit/s", r)
	}
	frames, missing := c.opusFrames(0)
	holes := 1 - float64(len(frames))/(30*50)
	t.Logf("%d packets lost, %.1f %% of the sound missing in %v, %v", missing, 100*holes, st.Slots[0].Voice.Mode, c.bitrate(0, since))
	if loss := c.d.Stats().VoiceLoss; loss < 0.14 || loss > 0.27 {
		t.Errorf("20 %% of loss counts as %.2f", loss)
	}
	if holes > 0.08 {
		t.Errorf("%.1f %% of the sound is missing", 100*holes)
	}
	percent = 0
	c.run(60 * time.Second)
	if m := c.d.Stats().Slots[0].Voice.Mode; m != (voice.Mode{}) {
		t.Errorf("a minute after the loss the mode is %v", m)
	}
}

// A lost packet of voice is sent again where the round trip is short, and only
// there (RFC 4585 §6.2.1).
func TestVoiceIsSentAgainWhileItHelps(t *testing.T) {
	for _, c := range []struct {
		rtt  time.Duration
		want uint64
	}{{60 * time.Millisecond, 1}, {400 * time.Millisecond, 0}} {
		call := newCall(t, voiceConfig(), units.Mbps)
		call.wire.delay = c.rtt / 2
		call.speak(0, 7)
		call.run(5 * time.Second)
		asked := call.got[0][len(call.got[0])-1].Sequence
		call.d.HandleNACK(call.now, audioSSRC, []rtcp.NackPair{{PacketID: asked}})
		call.run(time.Second)
		if n := call.d.Stats().Slots[0].Retransmissions; n != c.want {
			t.Errorf("%v away %d packets were sent again, want %d", c.rtt, n, c.want)
		}
		n := 0
		for _, r := range call.got[0] {
			if r.Sequence == asked && r.SSRC == audioSSRC {
				n++
			}
		}
		if n != 1+int(c.want) {
			t.Errorf("%v away the packet came %d times", c.rtt, n)
		}
	}
}

// However often the mode changes, no frame is lost or repeated, and numbers and
// times go on.
func TestModeChangesAreNotHeard(t *testing.T) {
	c := newCall(t, voiceConfig(), units.Mbps)
	c.speak(0, 7)
	c.run(time.Second)
	modes := []voice.Mode{{}, {Packet: 60 * time.Millisecond}, {Redundancy: 2}, {Packet: 120 * time.Millisecond, Redundancy: 1}, {Packet: 40 * time.Millisecond}}
	for i := range 200 {
		c.d.slots[0].sound.stream.SetMode(modes[i*7%len(modes)])
		c.run(time.Duration(37+i) * time.Millisecond)
	}
	c.run(time.Second)
	frames, missing := c.opusFrames(0)
	if missing != 0 {
		t.Errorf("%d numbers were never sent", missing)
	}
	for i := 1; i < len(frames); i++ {
		if frames[i] != frames[i-1]+960 {
			t.Fatalf("frame %d has time %d after %d", i, frames[i], frames[i-1])
		}
	}
	checkContinuous(t, c.media(0))
}

// Before the receiver has said a word, voice is sent thinly.
func TestVoiceBeginsThin(t *testing.T) {
	c := newCall(t, config(1), units.Mbps)
	c.deaf = true
	c.speak(0, 7)
	c.run(3 * time.Second)
	if m := c.d.Stats().Slots[0].Voice.Mode; m.Packet < 60*time.Millisecond {
		t.Errorf("before any report the mode is %v", m)
	}
	c.deaf = false
	c.run(2 * time.Second)
	if m := c.d.Stats().Slots[0].Voice.Mode; m != (voice.Mode{}) {
		t.Errorf("after the first reports the mode is %v", m)
	}
}

// What is encrypted end to end is not touched.
func TestOpaqueVoicePassesAsItIs(t *testing.T) {
	c := newCall(t, voiceConfig(), 30*units.Kbps)
	c.speak(0, 7)
	c.d.Assign(c.now, 0, Source{ID: 7, Kind: codec.Opus, Opaque: true})
	c.run(20 * time.Second)
	for i, r := range c.media(0) {
		if len(r.payload) != c.voiceSize || r.PayloadType != opusType {
			t.Fatalf("packet %d has %d bytes of type %d", i, len(r.payload), r.PayloadType)
		}
	}
}

// With redundancy in force only that is sent again which no copy repairs.
func TestRepairedByCopiesIsNotSentAgain(t *testing.T) {
	c := newCall(t, voiceConfig(), units.Mbps)
	c.speak(0, 7)
	c.run(2 * time.Second)
	c.d.slots[0].sound.want = voice.Mode{Redundancy: 1}
	c.d.slots[0].sound.stream.SetMode(voice.Mode{Redundancy: 1})
	c.run(100 * time.Millisecond)
	newest := c.got[0][len(c.got[0])-1].Sequence
	before := c.d.Stats().Slots[0].Retransmissions
	c.d.HandleNACK(c.now, audioSSRC, []rtcp.NackPair{{PacketID: newest - 1}})
	c.run(50 * time.Millisecond)
	if n := c.d.Stats().Slots[0].Retransmissions - before; n != 0 {
		t.Errorf("a single packet went again %d times: the next one holds it", n)
	}
	c.d.HandleNACK(c.now, audioSSRC, []rtcp.NackPair{{PacketID: newest - 2, LostPackets: 1}}) // and the one after it
	c.run(50 * time.Millisecond)
	if n := c.d.Stats().Slots[0].Retransmissions - before; n != 1 {
		t.Errorf("of two packets in a row %d went again, want the first", n)
	}
}

// Sound goes again under its own number, and a report by stream does not say
// which of the two came: it says nothing of either. Otherwise the second would
// have arrived before it was sent, or the loss of the first would be none.
func TestRepeatedSoundIsNotReportedTwice(t *testing.T) {
	cfg := voiceConfig()
	cfg.StreamFeedback = true
	c := newCall(t, cfg, units.Mbps)
	c.speak(0, 7)
	c.run(600 * time.Millisecond)
	asked := c.got[0][len(c.got[0])-2].Sequence
	if _, ok := c.d.streams.sent.Path(audioSSRC, asked); !ok {
		t.Fatal("a packet that was sent is not known")
	}
	before, number := c.d.Stats().Slots[0].Retransmissions, c.d.sequence
	c.d.HandleNACK(c.now, audioSSRC, []rtcp.NackPair{{PacketID: asked}})
	c.run(10 * time.Millisecond)
	if n := c.d.Stats().Slots[0].Retransmissions - before; n != 1 {
		t.Fatalf("the packet went again %d times", n)
	}
	if again, known := c.d.streams.sent.Path(audioSSRC, asked); known {
		t.Errorf("reports of it are taken for those of packet %d of the path", again)
	}
	if n := c.d.sequence - number; n > 1 {
		t.Errorf("%d numbers of the path were used in 10 ms, of which one packet of sound needs one", n)
	}
}

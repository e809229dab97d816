package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

func TestClimbsToTheBestLayer(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(8 * time.Second)
	st := c.d.Stats()
	if st.Slots[1].Spatial != 2 || st.Slots[1].Grant.Reason != allocator.Full {
		t.Fatalf("after 8 s: layer %d, grant %+v, path %+v", st.Slots[1].Spatial, st.Slots[1].Grant, st.Path)
	}
	checkContinuous(t, c.media(1))
	checkDecodable(t, c.media(1))
	checkContinuous(t, c.media(0))
	if r := c.bitrate(1, c.now.Add(-time.Second)); r < 1200*units.Kbps {
		t.Errorf("the best layer arrives at %v", r)
	}
	if c.wire.lost > 0 {
		t.Errorf("%d packets lost on the wire", c.wire.lost)
	}
}

// sinceFor is what a slot received since a time.
func (c *call) since(slot int, t time.Time) []received {
	for i, r := range c.got[slot] {
		if !r.at.Before(t) {
			return c.got[slot][i:]
		}
	}
	return nil
}

// longestGap is the longest time without a packet of a slot's media after t.
func (c *call) longestGap(slot int, t time.Time) time.Duration {
	last, gap := t, time.Duration(0)
	for _, r := range c.since(slot, t) {
		if r.SSRC == c.d.slots[slot].cfg.SSRC {
			gap = max(gap, r.at.Sub(last))
			last = r.at
		}
	}
	return max(gap, c.now.Sub(last))
}

// A path that shrinks from 5 Mbit/s to 400 kbit/s and back: the layer goes down
// and up again, what arrives stays decodable, and voice keeps coming.
func TestLayerFollowsThePath(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(6 * time.Second)
	c.wire.rate = 400 * units.Kbps
	narrow := c.now
	c.run(6 * time.Second)
	if st := c.d.Stats().Slots[1]; st.Spatial > 1 || st.Spatial < 0 || st.Grant.Reason != allocator.Bandwidth {
		t.Errorf("on 400 kbit/s: layer %d, grant %+v", st.Spatial, st.Grant)
	}
	if gap := c.longestGap(1, narrow); gap > time.Second {
		t.Errorf("no picture for %v", gap)
	}
	if gap := c.longestGap(0, narrow); gap > 600*time.Millisecond {
		t.Errorf("no voice for %v, with a queue of half a second on the path", gap)
	}
	c.wire.rate = 5 * units.Mbps
	c.run(10 * time.Second)
	if st := c.d.Stats().Slots[1]; st.Spatial != 2 || st.Grant.Reason != allocator.Full {
		t.Errorf("back on 5 Mbit/s: layer %d, grant %+v", st.Spatial, st.Grant)
	}
	if c.d.Stats().Slots[1].QueueDrops == 0 {
		checkDecodable(t, c.media(1))
	}
}

// With 60 kbit/s there is room for voice only; the picture is paused, says why,
// and comes back.
func TestPictureIsPausedAndResumed(t *testing.T) {
	cfg := config(1)
	cfg.Stills = false
	c := newCall(t, cfg, 60*units.Kbps)
	var events []Event
	c.onEvent = func(ev Event) { events = append(events, ev) }
	c.speak(0, 7)
	c.show(1, 8)
	c.run(10 * time.Second)
	if st := c.d.Stats().Slots[1]; st.Grant.Reason != allocator.PausedBandwidth || st.Spatial != -1 {
		t.Fatalf("on 60 kbit/s: layer %d, grant %+v", st.Spatial, st.Grant)
	}
	if !has(events, Event{Kind: Paused, Slot: 1, Source: 8, Spatial: -1, Temporal: -1, Reason: allocator.PausedBandwidth}) {
		t.Errorf("no event tells of the pause: %v", events)
	}
	calm := c.now.Add(-3 * time.Second)
	if r := c.bitrate(1, calm); r > 5*units.Kbps {
		t.Errorf("a paused picture still takes %v", r)
	}
	if d := c.sound(0, calm); d < 2900*time.Millisecond {
		t.Errorf("%v of sound in 3 s", d)
	}
	c.wire.rate = units.Mbps
	c.run(15 * time.Second)
	if st := c.d.Stats().Slots[1]; st.Spatial < 1 {
		t.Errorf("on 1 Mbit/s: layer %d, grant %+v, path %+v", st.Spatial, st.Grant, c.d.Stats().Path)
	}
	resumed := false
	for _, ev := range events {
		resumed = resumed || ev.Kind == Resumed && ev.Slot == 1 && ev.Source == 8
	}
	if !resumed {
		t.Errorf("no event tells of the return: %v", events)
	}
}

// A slot goes from one source to another: one stream, and every packet names
// its source until the subscriber says that it knows.
func TestSourceChange(t *testing.T) {
	c := newCall(t, config(2), 8*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(3 * time.Second)
	for _, r := range c.got[1] {
		if r.Source != 8 && r.Padding == 0 {
			t.Fatalf("a packet names source %d before the acknowledgement", r.Source)
		}
	}
	c.d.Acknowledge(0, 7)
	c.d.Acknowledge(1, 99) // another source: ignored
	c.d.Acknowledge(1, 8)
	quiet := c.now.Add(c.wire.delay + 5*time.Millisecond)
	c.run(time.Second)
	for _, r := range append(c.since(0, quiet), c.since(1, quiet)...) {
		if r.Source != 0 {
			t.Fatalf("slot %d names source %d after the acknowledgement", r.Slot, r.Source)
		}
	}
	c.speak(0, 17)
	c.show(1, 18)
	c.show(2, 8)
	changed := c.now
	c.run(3 * time.Second)
	sources := map[uint32]int{}
	for _, r := range c.since(1, changed.Add(150*time.Millisecond)) {
		sources[r.Source]++
	}
	if len(sources) != 1 || sources[18] == 0 {
		t.Errorf("after the change packets name %v, want 18 only", sources)
	}
	for slot := range 3 {
		if len(c.media(slot)) < 20 {
			t.Errorf("slot %d received %d packets", slot, len(c.media(slot)))
		}
		checkContinuous(t, c.media(slot))
	}
	if gap := c.longestGap(1, changed); gap > 300*time.Millisecond {
		t.Errorf("%v without a picture at the change of source", gap)
	}
	// Media time went on like real time.
	all := c.media(1)
	first, last := all[0], all[len(all)-1]
	media := time.Duration(last.Timestamp-first.Timestamp) * time.Second / 90000
	if off := media - last.at.Sub(first.at); off < -150*time.Millisecond || off > 150*time.Millisecond {
		t.Errorf("media time is off real time by %v", off)
	}
}

func TestReasons(t *testing.T) {
	c := newCall(t, config(1), 8*units.Mbps)
	c.show(1, 8)
	c.run(3 * time.Second)
	reason := func() allocator.Reason { c.run(300 * time.Millisecond); return c.d.Stats().Slots[1].Grant.Reason }
	steps := []struct {
		name string
		do   func()
		want allocator.Reason
	}{
		{"everything", func() {}, allocator.Full},
		{"a small view", func() { c.d.SetView(c.now, 1, View{Width: 320, Height: 180, MaxSpatial: AnySpatial}) }, allocator.FitsView},
		{"a limit", func() { c.d.SetView(c.now, 1, View{MaxSpatial: 1}) }, allocator.FitsView},
		{"hidden", func() { c.d.SetView(c.now, 1, View{Hidden: true}) }, allocator.NotViewed},
		{"seen again", func() { c.d.SetView(c.now, 1, View{MaxSpatial: AnySpatial}) }, allocator.Full},
		{"low", func() { c.d.SetDataMode(c.now, Low) }, allocator.DataMode},
		{"voice only", func() { c.d.SetDataMode(c.now, VoiceOnly) }, allocator.DataMode},
		{"auto", func() { c.d.SetDataMode(c.now, Auto) }, allocator.Full},
		{"muted", func() { c.d.Assign(c.now, 1, Source{ID: 8, Kind: codec.VP8, Muted: true}) }, allocator.Muted},
		{"empty", func() { c.cameras[1] = nil; c.d.Assign(c.now, 1, Source{}) }, allocator.NoSource},
	}
	for _, s := range steps {
		s.do()
		if got := reason(); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
	}
	c.d.Assign(c.now, 1, Source{ID: 9, Kind: codec.AV1})
	if got := reason(); got != allocator.CodecNotSupported {
		t.Errorf("a codec that was not negotiated: %v", got)
	}
	p := c.pool.Get()
	defer p.Release()
	p.Kind, p.Payload = codec.AV1, p.Buffer()[:10]
	if v := c.d.Forward(c.now, 1, p); v != DroppedCodec {
		t.Errorf("a packet of a codec that was not negotiated: %v", v)
	}
}

// In data mode low, no more than lowDataRate is spent however wide the path.
func TestLowDataMode(t *testing.T) {
	cfg := config(4)
	c := newCall(t, cfg, 8*units.Mbps)
	c.speak(0, 7)
	for i := 1; i <= 4; i++ {
		c.show(i, uint32(i))
	}
	c.d.SetDataMode(c.now, Low)
	c.run(8 * time.Second)
	var total units.Rate
	for i := range cfg.Slots {
		total += c.bitrate(i, c.now.Add(-3*time.Second))
	}
	if total > lowDataRate.Scale(1.2) {
		t.Errorf("low mode spends %v", total)
	}
}

func TestVerdicts(t *testing.T) {
	c := newCall(t, config(1), 8*units.Mbps)
	cam := &camera{pool: c.pool, ssrc: 1, rate: 50 * units.Kbps} // one packet a frame
	offer := func(slot int, p *packet.Packet) Verdict {
		defer p.Release()
		return c.d.Forward(c.now, slot, p)
	}
	if v := offer(1, cam.frame(c.now)[0]); v != DroppedEmpty {
		t.Errorf("into an empty slot: %v", v)
	}
	if v := offer(77, cam.frame(c.now)[0]); v != DroppedEmpty {
		t.Errorf("into no slot: %v", v)
	}
	c.d.Assign(c.now, 0, Source{ID: 7})
	mic := &talker{pool: c.pool, ssrc: 5, next: 100}
	first, second := mic.packet(c.now, 60), mic.packet(c.now, 60)
	second.Retain()
	if v := offer(0, second); v != Forwarded {
		t.Errorf("a voice packet: %v", v)
	}
	if v := offer(0, second); v != DroppedLate {
		t.Errorf("the same packet again: %v", v)
	}
	if v := offer(0, first); v != DroppedLate {
		t.Errorf("a packet of before the source began: %v", v)
	}
	if v := offer(0, mic.packet(c.now, 0)); v != DroppedEmpty {
		t.Errorf("a packet without payload: %v", v)
	}
	next := mic.packet(c.now, 60)
	if v := offer(0, next); v != Forwarded {
		t.Errorf("the packet after padding: %v", v)
	}
	var out Outgoing
	var sequences []uint16
	for c.d.Poll(c.now, &out) {
		sequences = append(sequences, out.Sequence)
		c.d.Sent(c.now, &out, true)
	}
	if len(sequences) != 2 || sequences[1] != sequences[0]+1 {
		t.Errorf("sent %v, want two numbers in a row", sequences)
	}
	st := c.d.Stats().Slots[0]
	if st.Verdicts[Forwarded] != 2 || st.Verdicts[DroppedLate] != 2 || st.Verdicts[DroppedEmpty] != 1 {
		t.Errorf("verdicts %v", st.Verdicts)
	}
}

func has(events []Event, want Event) bool {
	for _, ev := range events {
		if ev == want {
			return true
		}
	}
	return false
}

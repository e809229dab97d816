package downlink

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
)

// drain polls everything that may leave now.
func (c *call) drain() []received {
	var all []received
	var out Outgoing
	for c.d.Poll(c.now, &out) {
		all = append(all, received{Outgoing: out, payload: bytes.Clone(out.Payload), at: c.now})
		c.d.Sent(c.now, &out, true)
	}
	return all
}

// drainFor polls for a while in which nothing new comes.
func (c *call) drainFor(d time.Duration) []received {
	var all []received
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(time.Millisecond) {
		all = append(all, c.drain()...)
	}
	return all
}

// repaired keeps what is no padding of the retransmissions.
func repaired(all []received) []received {
	var some []received
	for _, r := range all {
		if r.Kind == bwe.Retransmission {
			some = append(some, r)
		}
	}
	return some
}

func nack(sequences ...uint16) []rtcp.NackPair { return rtcp.NackPairsFromSequenceNumbers(sequences) }

// RFC 4588 §4: a retransmission has a number of its own on its own SSRC and
// payload type, the original one in front of the payload, and all else as it
// was.
func TestNACKIsServedOverRTX(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.run(2 * time.Second)
	all := c.media(1)
	lost := []received{all[len(all)-12], all[len(all)-11], all[len(all)-3]}
	c.d.HandleNACK(c.now, videoSSRC+1, nack(lost[0].Sequence, lost[1].Sequence, lost[2].Sequence))
	got := repaired(c.drainFor(40 * time.Millisecond))
	if len(got) != len(lost) {
		t.Fatalf("%d retransmissions, want %d", len(got), len(lost))
	}
	for i, r := range got {
		if r.SSRC != videoRTXSSRC+1 || r.PayloadType != vp8RTXType {
			t.Errorf("sent on %d as %d", r.SSRC, r.PayloadType)
		}
		if i > 0 && r.Sequence != got[i-1].Sequence+1 {
			t.Errorf("number %d follows %d", r.Sequence, got[i-1].Sequence)
		}
		if osn := binary.BigEndian.Uint16(r.payload); osn != lost[i].Sequence {
			t.Errorf("original number %d, want %d", osn, lost[i].Sequence)
		}
		if !bytes.Equal(r.payload[2:], lost[i].payload) {
			t.Errorf("the payload is not what was sent first")
		}
		if r.Timestamp != lost[i].Timestamp || r.Marker != lost[i].Marker {
			t.Errorf("timestamp %d marker %v, want %d %v", r.Timestamp, r.Marker, lost[i].Timestamp, lost[i].Marker)
		}
		if want := overhead + 12 + 4 + 8 + units.Size(len(r.payload)); r.Size != want {
			t.Errorf("size %v, want %v", r.Size, want)
		}
	}
}

// A packet goes at most three times, not twice within a round trip, and a
// receiver that asks for everything all the time gets no more than its share.
func TestNACKIsBounded(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.run(2 * time.Second)
	all := c.media(1)
	c.cameras[1] = nil
	one := nack(all[len(all)-5].Sequence)
	count := 0
	for range 1000 {
		c.d.HandleNACK(c.now, videoSSRC+1, one)
		count += len(repaired(c.drain()))
		c.now = c.now.Add(time.Millisecond)
		if within := c.now.Sub(all[len(all)-1].at); within < 20*time.Millisecond && count > 1 {
			t.Fatalf("sent %d times within %v", count, within)
		}
	}
	if count != maxRepeats {
		t.Errorf("sent %d times, want %d", count, maxRepeats)
	}
}

func TestNACKFloodStaysWithinItsShare(t *testing.T) {
	c := newCall(t, config(1), units.Mbps)
	c.show(1, 8)
	c.run(3 * time.Second)
	before := c.d.Stats()
	flood := make([]rtcp.NackPair, 64)
	for i := range flood {
		flood[i] = rtcp.NackPair{PacketID: c.media(1)[len(c.media(1))-1].Sequence - uint16(i*17), LostPackets: 0xffff}
	}
	begin := c.now
	for range 200 {
		c.d.HandleNACK(c.now, videoSSRC+1, flood)
		c.run(10 * time.Millisecond)
	}
	after := c.d.Stats()
	sent := units.Size(after.Slots[1].RetransmissionBytes - before.Slots[1].RetransmissionBytes)
	if rate := sent.Over(c.now.Sub(begin)); rate > 700*units.Kbps {
		t.Errorf("retransmissions took %v of 1 Mbit/s", rate)
	}
	if after.Slots[1].NACKRefused == 0 || after.Slots[1].NACKUnknown == 0 {
		t.Errorf("nothing was refused: %+v", after.Slots[1])
	}
}

func TestHostileNACK(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.d.HandleNACK(c.now, videoSSRC+1, nack(1, 2, 3)) // nothing was sent yet
	c.run(time.Second)
	last := c.media(1)[len(c.media(1))-1].Sequence
	before := c.d.Stats().Slots[1].Retransmissions
	for _, ssrc := range []uint32{0, 1, audioSSRC, videoRTXSSRC + 1, 0xffffffff} {
		c.d.HandleNACK(c.now, ssrc, nack(last))
	}
	c.d.HandleNACK(c.now, videoSSRC+1, []rtcp.NackPair{{PacketID: last + 5000, LostPackets: 0xffff}, {PacketID: last - 5000, LostPackets: 0xffff}})
	c.d.HandleNACK(c.now, videoSSRC+1, nil)
	c.run(100 * time.Millisecond)
	if n := c.d.Stats().Slots[1].Retransmissions; n != before {
		t.Errorf("%d retransmissions of what was never sent, or not asked for", n-before)
	}
}

// Without a retransmission stream the packet goes again as it was.
func TestRetransmissionWithoutRTX(t *testing.T) {
	cfg := config(1)
	cfg.Slots[1].RTXSSRC = 0
	c := newCall(t, cfg, 5*units.Mbps)
	c.show(1, 8)
	c.run(time.Second)
	lost := c.media(1)[len(c.media(1))-4]
	c.d.HandleNACK(c.now, videoSSRC+1, nack(lost.Sequence))
	got := repaired(c.drainFor(40 * time.Millisecond))
	if len(got) != 1 || got[0].SSRC != videoSSRC+1 || got[0].Sequence != lost.Sequence ||
		got[0].PayloadType != vp8Type || !bytes.Equal(got[0].payload, lost.payload) {
		t.Errorf("sent again: %+v", got)
	}
	if c.d.Stats().PaddingBytes != 0 {
		t.Errorf("padding was sent without a stream for it")
	}
}

// What the pacer gives up has its number already. Whoever asks for it gets an
// empty packet and stops asking, and a key frame is wanted.
func TestWhatThePacerDropsIsFilled(t *testing.T) {
	c := newCall(t, config(1), 10*units.Mbps)
	c.show(1, 8)
	c.run(3 * time.Second)
	st := c.d.Stats()
	if st.Slots[1].Spatial != 2 {
		t.Fatalf("not at the best layer: %+v", st.Slots[1].Grant)
	}
	// Nobody polls for a while, as when a worker is stuck: longer than frames
	// that nobody refers to would fill.
	c.events = c.d.Events(c.events[:0])
	for range 200 {
		c.publish()
		c.now = c.now.Add(frameTime)
	}
	asked := false
	for _, ev := range c.d.Events(nil) {
		asked = asked || ev.Kind == KeyframeWanted && ev.Source == 8
	}
	st = c.d.Stats()
	if st.Slots[1].QueueDrops == 0 {
		t.Fatal("nothing was dropped")
	}
	if !asked {
		t.Error("no key frame is asked for after the drop")
	}
	c.run(800 * time.Millisecond)
	all := c.media(1)
	present := map[uint16]bool{}
	for _, r := range all {
		present[r.Sequence] = true
	}
	var missing []uint16
	for s := all[0].Sequence; s != all[len(all)-1].Sequence; s++ {
		if !present[s] {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		t.Fatal("no hole is left where packets were dropped")
	}
	last := missing[len(missing)-1]
	c.d.HandleNACK(c.now, videoSSRC+1, nack(last))
	got := repaired(c.drainFor(40 * time.Millisecond))
	if len(got) != 1 || len(got[0].payload) != 2 || binary.BigEndian.Uint16(got[0].payload) != last {
		t.Errorf("in place of a packet that was given up: %+v", got)
	}
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	h := history{size: 8}
	put := func(s uint16) {
		e := entry{state: void}
		e.output.Sequence = s
		e.at = time.Duration(s)
		h.store(e)
	}
	for s := uint16(65530); s != 6; s++ { // across the wrap
		put(s)
	}
	for s := uint16(65520); s != 20; s++ {
		want := int16(s-65534) >= 0 && int16(s-6) < 0
		if got := h.find(s) != nil; got != want {
			t.Errorf("%d is known: %v, want %v", s, got, want)
		}
	}
	put(9) // 6, 7, 8 are missing
	for s, want := range map[uint16]bool{1: false, 2: true, 5: true, 6: false, 7: false, 8: false, 9: true} {
		if got := h.find(s) != nil; got != want {
			t.Errorf("after a gap %d is known: %v, want %v", s, got, want)
		}
	}
	put(7)
	put(65000) // far behind: not kept
	if h.find(7) == nil || h.find(65000) != nil {
		t.Error("a late packet is not in its place, or one that is too late is kept")
	}
	put(5000)
	if h.find(9) != nil || h.find(5000) == nil {
		t.Error("a leap leaves the old in place")
	}
	h.clear()
	if h.find(5000) != nil || h.any {
		t.Error("something is left after clear")
	}
	put(3)
	if h.find(3) == nil {
		t.Error("nothing can be stored after clear")
	}
}

// What can no longer be of use is given back even when nothing new is sent.
func TestHistoryExpires(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.run(time.Second)
	c.cameras[1] = nil
	if c.d.Stats().History == 0 {
		t.Fatal("nothing is held")
	}
	c.run(maxHistoryAge + time.Second)
	if n := c.d.Stats().History; n != 0 {
		t.Errorf("%d packets are still held", n)
	}
	if n := c.pool.InUse(); n > 1 { // one may be held for the last Poll
		t.Errorf("%d packets are still in use", n)
	}
}

// A write that took nothing does not use up a transport-wide number, and the
// packet can still be asked for.
func TestFailedWrite(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.run(time.Second)
	for c.d.queue.Len() == 0 {
		c.publish()
		c.now = c.now.Add(time.Millisecond)
	}
	var first, second Outgoing
	if !c.d.Poll(c.now, &first) {
		t.Fatal("nothing to send")
	}
	c.d.Sent(c.now, &first, false)
	for !c.d.Poll(c.now, &second) {
		c.publish()
		c.now = c.now.Add(time.Millisecond)
	}
	c.d.Sent(c.now, &second, true)
	if second.TransportSequence != first.TransportSequence {
		t.Errorf("number %d follows %d that was never sent", second.TransportSequence, first.TransportSequence)
	}
	if c.d.Stats().Failed != 1 {
		t.Errorf("%d failed writes counted", c.d.Stats().Failed)
	}
	c.d.HandleNACK(c.now, videoSSRC+1, nack(first.Sequence))
	if got := repaired(c.drainFor(40 * time.Millisecond)); len(got) != 1 {
		t.Errorf("the packet that failed cannot be asked for: %v", got)
	}
}

// A packet of a dropped temporal layer that comes so late that its number was
// kept free leaves no hole.
func TestLateDropIsFilled(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	cam := &camera{pool: c.pool, ssrc: 80, rate: 50 * units.Kbps}
	c.d.Assign(c.now, 1, Source{ID: 8, Kind: codec.VP8, Layers: []LayerInfo{{0, 320, 180}}})
	c.d.SetRates(c.now, 1, []LayerRate{{Rate: 20_000}, {Temporal: 1, Rate: 30_000}, {Temporal: 2, Rate: 50_000}})
	c.d.Tick(c.now)
	c.d.slots[1].selector.SetTarget(layerTarget(0, 0))
	var sequences []uint16
	offer := func(i int) {
		p := cam.frame(c.now)[0]
		if i == 5 { // temporal layer 2, comes after 6
			late := p
			next := cam.frame(c.now)[0]
			c.d.Forward(c.now, 1, next)
			c.d.Forward(c.now, 1, late)
			next.Release()
			late.Release()
			return
		}
		c.d.Forward(c.now, 1, p)
		p.Release()
	}
	for i := range 20 {
		offer(i)
		for _, r := range c.drain() {
			if r.SSRC == videoSSRC+1 {
				sequences = append(sequences, r.Sequence)
			} else if r.Kind == bwe.Retransmission {
				sequences = append(sequences, binary.BigEndian.Uint16(r.payload))
			}
		}
		c.now = c.now.Add(frameTime)
	}
	have := map[uint16]bool{}
	low, high := sequences[0], sequences[0]
	for _, s := range sequences {
		have[s] = true
		low, high = min(low, s), max(high, s)
	}
	for s := low; s <= high; s++ {
		if !have[s] {
			t.Errorf("number %d of %d to %d is missing", s, low, high)
		}
	}
}

// Over TCP nothing is lost, only late: what is asked for again is on its way.
func TestReliablePathRepeatsNothing(t *testing.T) {
	for _, reliable := range []bool{false, true} {
		c := newCall(t, config(1), units.Mbps)
		c.show(1, 7)
		c.d.SetReliable(c.now, reliable)
		c.run(2 * time.Second)
		got := c.media(1)
		c.d.HandleNACK(c.now, got[len(got)-1].SSRC, []rtcp.NackPair{{PacketID: got[len(got)-1].Sequence}})
		c.run(200 * time.Millisecond)
		s := c.d.Stats().Slots[1]
		if p := c.d.Stats().Path; p.Reliable != reliable {
			t.Errorf("reliable %v: the path's state says %v", reliable, p.Reliable)
		}
		if sent := s.Retransmissions > 0; sent == reliable || (s.NACKRefused > 0) != reliable {
			t.Errorf("reliable %v: %d packets sent again, %d refused", reliable, s.Retransmissions, s.NACKRefused)
		}
	}
}

// What is missing there all the same (thrown away before or behind TCP) adds
// neither repair packets nor redundancy.
func TestReliablePathAddsNothingForLoss(t *testing.T) {
	for _, reliable := range []bool{false, true} {
		c := protectedCall(t, 600*time.Millisecond, 0.1)
		c.d.SetReliable(c.now, reliable)
		c.run(30 * time.Second)
		s := c.d.Stats()
		if added := s.Slots[1].Repairs > 0 || s.VoiceLoss > 0 || s.Path.LinkLoss > 0; added == reliable {
			t.Errorf("reliable %v: %d repair packets, loss counts as %.2f for voice, %.2f for the link", reliable, s.Slots[1].Repairs, s.VoiceLoss, s.Path.LinkLoss)
		}
	}
}

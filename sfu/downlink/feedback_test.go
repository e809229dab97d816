package downlink

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/sfu/layer"
)

func layerTarget(spatial, temporal int8) layer.Target {
	return layer.Target{Spatial: spatial, Temporal: temporal}
}

// A flood of picture loss indications is one request for each pause.
func TestPLIFloodIsCoalesced(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.show(1, 8)
	c.run(3 * time.Second)
	asked := 0
	c.onEvent = func(ev Event) {
		if ev.Kind == KeyframeWanted {
			if ev.Slot != 1 || ev.Source != 8 || ev.Spatial != c.d.slots[1].selector.Current().Spatial {
				t.Errorf("asks for %+v", ev)
			}
			asked++
		}
	}
	for range 1000 {
		c.d.HandlePLI(c.now, videoSSRC+1)
		c.d.HandlePLI(c.now, 12345)
		c.d.HandlePLI(c.now, audioSSRC)
		c.run(time.Millisecond)
	}
	if asked < 1 || asked > 6 {
		t.Errorf("%d key frames asked for in a second", asked)
	}
}

// RFC 3550 §6.4.1: the round-trip time of a report block.
func TestRoundTripTime(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.speak(0, 7)
	c.run(100 * time.Millisecond)
	if len(c.reports) != 1 || c.reports[0].SSRC != audioSSRC {
		t.Fatalf("reports %+v, want one soon after the first packet", c.reports)
	}
	sr := c.d.AppendSenderReports(c.now, nil)[0]
	octets := 0
	for _, r := range c.got[0] {
		octets += len(r.payload)
	}
	if n := len(c.got[0]); n < 1 || int(sr.PacketCount) < n || int(sr.OctetCount)*n != octets*int(sr.PacketCount) {
		t.Errorf("counts %d packets, %d octets; %d with %d have arrived", sr.PacketCount, sr.OctetCount, n, octets)
	}
	last := c.got[0][len(c.got[0])-1]
	// The timestamp is that of the first frame in it.
	elapsed := c.now.Sub(last.at.Add(-c.wire.delay)) + opuspkt.Duration(last.payload) - 20*time.Millisecond
	if ahead := time.Duration(int32(sr.RTPTime-last.Timestamp)) * time.Second / 48000; ahead < elapsed-30*time.Millisecond || ahead > elapsed+30*time.Millisecond {
		t.Errorf("the clock is %v ahead of the last packet, which left %v ago", ahead, elapsed)
	}
	for range 40 { // a receiver that waits 300 ms, 80 ms away
		c.d.HandleReceptionReport(c.now.Add(380*time.Millisecond), rtcp.ReceptionReport{
			SSRC: audioSSRC, LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 * 3 / 10,
		})
	}
	if rtt := c.d.RTT(); rtt < 79*time.Millisecond || rtt > 81*time.Millisecond {
		t.Errorf("round-trip time %v, want 80 ms", rtt)
	}
	for _, lie := range []rtcp.ReceptionReport{
		{SSRC: audioSSRC, LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 0xffffffff},
		{SSRC: audioSSRC, LastSenderReport: uint32(sr.NTPTime>>16) - 60<<16},
		{SSRC: audioSSRC, LastSenderReport: uint32(sr.NTPTime>>16) + 60<<16},
		{SSRC: 99, LastSenderReport: 1},
		{SSRC: audioSSRC},
	} {
		c.d.HandleReceptionReport(c.now.Add(380*time.Millisecond), lie)
	}
	if rtt := c.d.RTT(); rtt < 79*time.Millisecond || rtt > 81*time.Millisecond {
		t.Errorf("lies made the round-trip time %v", rtt)
	}
}

// Sender reports go to active slots only, once a second.
func TestSenderReports(t *testing.T) {
	c := newCall(t, config(2), 5*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	n := map[uint32]int{}
	c.run(10 * time.Second)
	for _, r := range c.reports {
		n[r.SSRC]++
	}
	if len(n) != 2 || n[audioSSRC] < 9 || n[audioSSRC] > 12 || n[videoSSRC+1] < 9 || n[videoSSRC+1] > 12 {
		t.Errorf("reports in ten seconds: %v", n)
	}
	c.speakers, c.cameras = map[int]*talker{}, map[int][]*camera{}
	c.run(2 * time.Second)
	c.reports = nil
	c.run(3 * time.Second)
	if len(c.reports) != 0 {
		t.Errorf("silent slots report %v", c.reports)
	}
}

// A probe is filled with repetitions and padding on the retransmission stream,
// which the receiver can tell from media.
func TestProbesArePadded(t *testing.T) {
	c := newCall(t, config(1), 20*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.run(4 * time.Second)
	padding, probed := 0, 0
	var last *received
	for i := range c.got[1] {
		r := &c.got[1][i]
		if r.probe != 0 {
			probed++
		}
		if r.SSRC != videoRTXSSRC+1 {
			continue
		}
		if last != nil && r.Sequence != last.Sequence+1 {
			t.Fatalf("retransmission stream: %d follows %d", r.Sequence, last.Sequence)
		}
		last = r
		if r.Kind == bwe.Padding {
			padding++
			if (r.Padding > 0) == (len(r.payload) > 0) || r.PayloadType != vp8RTXType {
				t.Errorf("padding packet: %d bytes of padding, %d of payload, type %d", r.Padding, len(r.payload), r.PayloadType)
			}
		}
	}
	if padding == 0 || probed == 0 {
		t.Errorf("%d packets of padding, %d in probes", padding, probed)
	}
	if st := c.d.Stats(); st.PaddingBytes > st.Bytes/10 {
		t.Errorf("%d of %d bytes are padding", st.PaddingBytes, st.Bytes)
	}
}

// Decision.Padding keeps a rate up without media.
func TestPaddingRate(t *testing.T) {
	c := newCall(t, config(1), 20*units.Mbps)
	c.d.padding.at = c.now
	var size units.Size
	var out Outgoing
	begin := c.now
	for range 2000 {
		c.d.decision.Padding = 100 * units.Kbps // whatever the feedback says
		if next := c.d.paddingNext(); !next.After(c.now) {
			for c.d.Poll(c.now, &out) {
				size += out.Size
				c.wire.send(c.now, &out)
				c.d.Sent(c.now, &out, true)
			}
		}
		c.receive()
		c.now = c.now.Add(time.Millisecond)
	}
	if rate := size.Over(c.now.Sub(begin)); rate < 80*units.Kbps || rate > 105*units.Kbps {
		t.Errorf("padding of %v, want 100 kbit/s", rate)
	}
}

// Without a word from the receiver video and padding wait, voice does not.
func TestNothingButVoiceWithoutFeedback(t *testing.T) {
	c := newCall(t, config(1), 5*units.Mbps)
	c.speak(0, 7)
	c.show(1, 8)
	c.deaf = true
	c.run(3 * time.Second)
	if d := c.sound(0, epoch); d < 2800*time.Millisecond {
		t.Errorf("%v of sound in 3 s", d)
	}
	if r := c.bitrate(1, epoch.Add(time.Second)); r > 60*units.Kbps {
		t.Errorf("video goes on at %v", r)
	}
}

// An idle downlink wants nothing.
func TestIdle(t *testing.T) {
	c := newCall(t, config(2), 5*units.Mbps)
	c.run(100 * time.Millisecond)
	calls := 0
	for end := c.now.Add(10 * time.Second); c.now.Before(end); c.now = c.now.Add(time.Millisecond) {
		if next := c.d.Next(); !next.IsZero() && !next.After(c.now) {
			c.d.Tick(c.now)
			calls++
		}
	}
	if calls > 300 {
		t.Errorf("an idle downlink was ticked %d times in ten seconds", calls)
	}
}

// Feedback that lies or makes no sense neither panics nor makes rates absurd.
func TestHostileFeedback(t *testing.T) {
	c := newCall(t, config(1), units.Mbps)
	c.show(1, 8)
	c.run(time.Second)
	c.d.HandleTransportFeedback(c.now, nil)
	c.d.HandleTransportFeedback(c.now, []byte{0x8f, 205, 0, 1, 2, 3})
	c.d.HandleTransportCC(c.now, &rtcp.TransportLayerCC{})
	c.d.HandleTransportCC(c.now, &rtcp.TransportLayerCC{
		BaseSequenceNumber: 40000, PacketStatusCount: 7,
		PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{PacketStatusSymbol: 1, RunLength: 7}},
		RecvDeltas:   []*rtcp.RecvDelta{{Type: 1, Delta: 250}},
	})
	c.d.HandleREMB(c.now, 0)
	c.d.HandleREMB(c.now, -5)
	c.d.HandleReceptionReport(c.now, rtcp.ReceptionReport{SSRC: videoSSRC + 1, FractionLost: 255, TotalLost: 1 << 24})
	c.run(time.Second)
	if target := c.d.Stats().Decision.Target; target < bwe.DefaultConfig().Min || target > bwe.DefaultConfig().Max {
		t.Errorf("target %v", target)
	}
}

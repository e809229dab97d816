package downlink

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
)

const redVideoType, ulpType = 118, 120

// olderCall is a call whose subscriber takes repair packets within the stream
// only, on a far and lossy path.
func olderCall(t *testing.T, rate units.Rate) *call {
	cfg := config(1)
	cfg.Slots[1].REDPayloadType, cfg.Slots[1].ULPPayloadType = redVideoType, ulpType
	cfg.Slots[1].Extensions = Extensions{TransportWide: 3}
	c := newCall(t, cfg, rate)
	c.wire.delay, c.wire.keeps = 300*time.Millisecond, true
	random := rand.New(rand.NewPCG(1, 2))
	c.wire.loses = func() bool { return random.Float64() < 0.05 }
	c.speak(0, 1)
	c.show(1, 2)
	return c
}

// bare takes RED off a packet; ulp says that it is a repair packet.
func bare(t testing.TB, r received) (_ received, ulp bool) {
	t.Helper()
	if r.PayloadType != redVideoType {
		return r, false
	}
	if len(r.payload) < fec.REDHeader+1 || r.payload[0]&0x80 != 0 {
		t.Fatalf("RED with %x", r.payload[:min(len(r.payload), 4)])
	}
	r.PayloadType, r.payload = r.payload[0], r.payload[fec.REDHeader:]
	return r, r.PayloadType == ulpType
}

// Repair packets within the stream take numbers of it, between frames, and leave
// no gap; what is lost of base frames comes back byte for byte.
func TestProtectionWithinTheStream(t *testing.T) {
	c := olderCall(t, units.Mbps)
	c.run(80 * time.Second)
	measured := epoch.Add(30 * time.Second) // the link's loss is known by then
	sent := map[uint16]received{}
	var pictures []received
	var before received
	repairs := 0
	for _, r := range c.wire.sent {
		if r.SSRC != c.d.slots[1].cfg.SSRC || r.at.Before(measured) {
			continue
		}
		r, ulp := bare(t, r)
		if len(sent) > 0 && (r.Sequence != before.Sequence+1 || int32(r.Timestamp-before.Timestamp) < 0) {
			t.Fatalf("%d at %d follows %d at %d", r.Sequence, r.Timestamp, before.Sequence, before.Timestamp)
		}
		if ulp && before.PayloadType == vp8Type && !before.Marker {
			t.Fatalf("repair packet %d stands within a frame", r.Sequence)
		}
		if before, sent[r.Sequence] = r, r; ulp {
			repairs++
		} else {
			if len(r.payload) > 0 && len(pictures) > 0 { // the next one, as though no repair packet stood between
				r.Sequence = pictures[len(pictures)-1].Sequence + 1
			}
			pictures = append(pictures, r)
		}
	}
	checkContinuous(t, pictures)
	s := c.d.Stats().Slots[1]
	if repairs == 0 || uint64(repairs) > s.Repairs || float64(s.RepairBytes) > 0.3*float64(s.Bytes) {
		t.Errorf("%d repair packets (%d counted), %.1f %% of the bytes", repairs, s.Repairs, 100*float64(s.RepairBytes)/float64(s.Bytes))
	}
	came := map[uint16]bool{}
	decoder := fec.NewDecoder(c.d.slots[1].cfg.SSRC)
	back := 0
	for _, r := range c.got[1] {
		if r.SSRC != c.d.slots[1].cfg.SSRC {
			continue
		}
		r, ulp := bare(t, r)
		came[r.Sequence] = true
		if ulp {
			decoder.ProtectULP(r.payload)
		} else {
			decoder.Add(marshal(t, r.Outgoing, r.payload), 0)
		}
		for b := decoder.Recover(); b != nil; b = decoder.Recover() {
			var h rtp.Header
			if _, err := h.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			original, ok := sent[h.SequenceNumber]
			if !ok { // before we looked
				continue
			}
			if came[h.SequenceNumber] || !bytes.Equal(b, marshal(t, original.Outgoing, original.payload)) {
				t.Fatalf("%+v came back, sent was %+v", h, original.Outgoing)
			}
			came[h.SequenceNumber] = true
			back++
		}
	}
	lost := back
	for sequence, r := range sent {
		info, ok := codec.Inspect(codec.VP8, r.payload, nil, r.Marker)
		if r.PayloadType == vp8Type && ok && info.Temporal == 0 && !came[sequence] {
			lost++
		}
	}
	t.Logf("%d packets, %d repair packets, %d of base frames lost, %d came back", len(sent), repairs, lost, back)
	if lost < 20 || back*10 < lost*6 {
		t.Errorf("%d of %d lost packets came back, want six in ten", back, lost)
	}
}

// Whatever becomes of the path and of what is shown, no number is sent twice, and
// each is answered for: what the pacer throws away with the repair packets behind
// it, what a switch cuts off.
func TestProtectionWithinAnyPath(t *testing.T) {
	var repairs, drops uint64
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 9))
		c := olderCall(t, 600*units.Kbps)
		c.run(20 * time.Second)
		s := &c.d.slots[1]
		for range 20 {
			switch random.IntN(3) {
			case 0:
				c.wire.rate = units.Rate(100+random.IntN(900)) * units.Kbps
			case 1:
				c.show(1, uint32(2+random.IntN(3)))
			case 2:
				s.setProtection(random.IntN(4))
			}
			c.run(time.Duration(500+random.IntN(1500)) * time.Millisecond)
			newest := uint16(0) // that has left
			for _, r := range c.wire.sent {
				if r.SSRC == s.cfg.SSRC {
					newest = r.Sequence
				}
			}
			h := &s.history
			for n := h.oldest; h.any && int16(newest-n) >= 0; n++ {
				if h.find(n) == nil {
					t.Fatalf("nobody answers for %d of %d to %d", n, h.oldest, newest)
				}
			}
		}
		seen := map[uint16]bool{}
		for _, r := range c.wire.sent {
			if r.SSRC == s.cfg.SSRC {
				if seen[r.Sequence] {
					t.Fatalf("%d was sent twice", r.Sequence)
				}
				seen[r.Sequence] = true
			}
		}
		repairs, drops = repairs+s.stats.Repairs, drops+s.stats.QueueDrops
	}
	if t.Logf("%d repair packets, %d packets dropped", repairs, drops); repairs < 500 || drops < 20 {
		t.Error("nothing to see")
	}
}

// A repair packet that is asked for is never sent again, and never costs a key
// frame: an empty packet takes its place.
func TestRepairPacketsAreNotRepeated(t *testing.T) {
	c := olderCall(t, units.Mbps)
	c.run(30 * time.Second)
	s := &c.d.slots[1]
	number, found := s.history.newest, false
	for ; number != s.history.oldest && !found; number-- {
		e := s.history.find(number)
		found = e != nil && e.state == ours
	}
	if number++; !found {
		t.Fatal("no repair packet is remembered")
	}
	if s.needs(number) {
		t.Error("a repair packet is taken for one that frames need")
	}
	given, rtx := s.stats.GivenUp, len(c.wire.sent)
	for range maxRepeats {
		c.d.HandleNACK(c.now, s.cfg.SSRC, []rtcp.NackPair{{PacketID: number}})
		c.run(601 * time.Millisecond)
	}
	answers := 0
	for _, r := range c.wire.sent[rtx:] {
		if r.SSRC == s.cfg.RTXSSRC && len(r.payload) >= 2 && uint16(r.payload[0])<<8|uint16(r.payload[1]) == number {
			answers++
			if len(r.payload) != 2 {
				t.Errorf("%d bytes answer for a repair packet", len(r.payload))
			}
		}
	}
	if answers == 0 || answers > maxRepeats || s.stats.GivenUp != given {
		t.Errorf("%d answers, %d packets given up", answers, s.stats.GivenUp-given)
	}
}

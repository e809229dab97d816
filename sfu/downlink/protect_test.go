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

const fecSSRC, fecType = 4001, 49

// protectedCall is a call whose subscriber can use repair packets, on a path
// with a round trip and a loss of its own.
func protectedCall(t *testing.T, roundTrip time.Duration, loss float64) *call {
	return repairingCall(t, roundTrip, loss, RepairAhead)
}

// repairingCall is the same with less repair.
func repairingCall(t *testing.T, roundTrip time.Duration, loss float64, mode RepairMode) *call {
	cfg := config(1)
	cfg.Repair = mode
	cfg.Slots[1].FECSSRC, cfg.Slots[1].FECPayloadType = fecSSRC, fecType
	cfg.Slots[1].Extensions = Extensions{TransportWide: 3}
	c := newCall(t, cfg, units.Mbps)
	c.wire.delay = roundTrip / 2 // feedback takes as long
	random := rand.New(rand.NewPCG(1, 2))
	c.wire.loses = func() bool { return random.Float64() < loss }
	c.speak(0, 1)
	c.show(1, 2)
	return c
}

// Where asking again takes long and the link loses packets, key frames and base
// layers are protected; nowhere else, and nothing else.
func TestProtectionWhereItPays(t *testing.T) {
	for _, tt := range []struct {
		name      string
		roundTrip time.Duration
		loss      float64
		want      bool
	}{
		{"far and lossy", 600 * time.Millisecond, 0.05, true},
		{"far", 600 * time.Millisecond, 0, false},
		{"near and lossy", 60 * time.Millisecond, 0.05, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := protectedCall(t, tt.roundTrip, tt.loss)
			c.run(30 * time.Second)
			s := c.d.Stats().Slots[1]
			if got := s.Repairs > 0; got != tt.want {
				t.Fatalf("%d repair packets (round trip %v, link loss %.3f), want some: %v", s.Repairs, c.d.Stats().RTT, c.d.Stats().Path.LinkLoss, tt.want)
			}
			if share := float64(s.RepairBytes) / float64(s.Bytes); share > 0.3 {
				t.Errorf("repair takes %.0f %% of what it repairs", 100*share)
			}
			if c.wire.maxWait > 500*time.Millisecond {
				t.Errorf("packets waited for %v in the link", c.wire.maxWait)
			}
		})
	}
}

// A receiver gets most of what was lost of base frames back, as it was.
func TestProtectionRecovers(t *testing.T) {
	c := protectedCall(t, 600*time.Millisecond, 0.05)
	c.wire.keeps = true
	c.run(80 * time.Second)
	measured := epoch.Add(30 * time.Second) // the link's loss is known by then
	sent := map[uint16]received{}
	for _, r := range c.wire.sent {
		if r.SSRC == c.d.slots[1].cfg.SSRC {
			sent[r.Sequence] = r
		}
	}
	came := map[uint16]bool{}
	decoder := fec.NewDecoder(c.d.slots[1].cfg.SSRC)
	back := 0
	for _, r := range c.got[1] {
		switch r.SSRC {
		case fecSSRC:
			decoder.Protect(r.payload)
		case c.d.slots[1].cfg.SSRC:
			came[r.Sequence] = true
			decoder.Add(marshal(t, r.Outgoing, r.payload), 0)
		}
		for b := decoder.Recover(); b != nil; b = decoder.Recover() {
			var h rtp.Header
			n, err := h.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			original, ok := sent[h.SequenceNumber]
			if !ok || came[h.SequenceNumber] || h.Timestamp != original.Timestamp || h.Marker != original.Marker || h.PayloadType != original.PayloadType {
				t.Fatalf("%+v came back, sent was %+v", h, original.Outgoing)
			}
			if len(b)-n+int(overhead)+16 > int(original.Size)+8 {
				t.Fatalf("%d bytes came back of a packet of %v", len(b)-n, original.Size)
			}
			came[h.SequenceNumber] = true
			if original.at.After(measured) {
				back++
			}
		}
	}
	lost := back
	for sequence, r := range sent {
		info, ok := codec.Inspect(codec.VP8, r.payload, nil, r.Marker)
		if ok && info.Temporal == 0 && !came[sequence] && r.at.After(measured) {
			lost++
		}
	}
	t.Logf("%d packets, %d of base frames lost, %d came back", len(sent), lost, back)
	if lost < 20 || back*10 < lost*6 {
		t.Errorf("%d of %d lost packets came back, want six in ten", back, lost)
	}
}

// marshal is a packet as the shell writes it, with the transport-wide number zero.
func marshal(t testing.TB, o Outgoing, payload []byte) []byte {
	t.Helper()
	h := rtp.Header{
		Version: 2, Marker: o.Marker, PayloadType: o.PayloadType, SequenceNumber: o.Sequence, Timestamp: o.Timestamp, SSRC: o.SSRC,
	}
	if o.Source != 0 {
		h.CSRC = []uint32{o.Source}
	}
	if err := h.SetExtension(3, []byte{0, 0}); err != nil {
		t.Fatal(err)
	}
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(b, payload...)
}

// What repair packets take for the bytes of a header is what pion writes.
func TestHeaderBytes(t *testing.T) {
	for _, o := range []Outgoing{
		{}, {Source: 77}, {HasOrientation: true, Orientation: 3}, {Descriptor: []byte{1, 2, 3}}, {Source: 9, HasOrientation: true, Descriptor: make([]byte, 16)},
		{Descriptor: make([]byte, 17)}, {Source: 1, HasOrientation: true, Descriptor: bytes.Repeat([]byte{7}, 200)},
	} {
		for _, ids := range []Extensions{{}, {TransportWide: 3}, {3, 4, 5}, {3, 15, 5}, {14, 13, 0}} {
			s := slot{cfg: SlotConfig{Extensions: ids}}
			got, first := s.headerBytes(nil, &o, true)
			h := rtp.Header{Version: 2, SSRC: 5}
			if o.Source != 0 {
				h.CSRC = []uint32{o.Source}
			}
			set := func(id uint8, value []byte) {
				if id == 0 || len(value) == 0 {
					return
				}
				if !h.Extension {
					h.Extension, h.ExtensionProfile = true, rtp.ExtensionProfileOneByte
				}
				if len(value) > 16 || id > 14 {
					h.ExtensionProfile = rtp.ExtensionProfileTwoByte
				}
				if err := h.SetExtension(id, value); err != nil {
					t.Fatal(err)
				}
			}
			set(ids.TransportWide, []byte{0, 0})
			if o.HasOrientation {
				set(ids.Orientation, []byte{o.Orientation})
			}
			set(ids.Descriptor, o.Descriptor)
			want, err := h.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want[12:]) || first != want[0]&0x3f {
				t.Errorf("%+v with %+v: %x %x, want %x %x", o, ids, first, got, want[0]&0x3f, want[12:])
			}
		}
	}
}

// What nobody can still show is not sent again: what a key frame that was sent
// replaces, and far away a frame that no other needs. A key frame long ago says
// nothing of packets after it, though numbers wrap.
func TestStaleRequests(t *testing.T) {
	for _, tt := range []struct {
		name      string
		roundTrip time.Duration
		after     int // packets sent since the key frame
		sequence  int // relative to the key frame's
		stale     bool
		frame     codec.Info
	}{
		{name: "before the key frame", roundTrip: 20 * time.Millisecond, after: 10, sequence: -3, stale: true},
		{name: "of the key frame", roundTrip: 20 * time.Millisecond, after: 10, sequence: 0},
		{name: "after it", roundTrip: 20 * time.Millisecond, after: 10, sequence: 5},
		{name: "a key frame long ago", roundTrip: 20 * time.Millisecond, after: 40000, sequence: 39990},
		{name: "discardable and near", roundTrip: 100 * time.Millisecond, after: 10, sequence: 5, frame: codec.Info{Discardable: true, HasTL0PICIDX: true}},
		{name: "discardable and far", roundTrip: 600 * time.Millisecond, after: 10, sequence: 5, stale: true, frame: codec.Info{Discardable: true, HasTL0PICIDX: true}},
		{name: "discardable, but the receiver cannot tell", roundTrip: 600 * time.Millisecond, after: 10, sequence: 5, frame: codec.Info{Discardable: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, config(1), units.Mbps)
			c.d.rtt = tt.roundTrip
			s := &c.d.slots[1]
			const key = 60000
			for n := key - 10; n <= key+tt.after; n++ {
				p := c.pool.Get()
				p.Info = tt.frame
				if n == key {
					s.refresh(uint16(n % 65536))
				}
				v := stamped{}
				v.Sequence = uint16(n % 65536)
				s.history.store(entry{packet: p, output: v, state: held})
			}
			e := s.history.find(uint16((key + tt.sequence) % 65536))
			if e == nil {
				t.Fatal("not in the history")
			}
			if got := c.d.stale(s, e); got != tt.stale {
				t.Errorf("stale: %v, want %v", got, tt.stale)
			}
		})
	}
}

// What a configuration leaves out of repair is not done.
func TestRepairModes(t *testing.T) {
	for _, mode := range []RepairMode{RepairAhead, RepairAsked, RepairNone} {
		t.Run(mode.String(), func(t *testing.T) {
			c := repairingCall(t, 600*time.Millisecond, 0.05, mode)
			c.run(30 * time.Second)
			asked := uint16(c.d.slots[1].history.newest - 20)
			c.d.HandleNACK(c.now, c.d.slots[1].cfg.SSRC, []rtcp.NackPair{{PacketID: asked}})
			c.run(time.Second)
			s := c.d.Stats().Slots[1]
			if got := s.Repairs > 0; got != (mode == RepairAhead) {
				t.Errorf("%d repair packets", s.Repairs)
			}
			if got := s.Retransmissions > 0; got != (mode != RepairNone) {
				t.Errorf("%d retransmissions", s.Retransmissions)
			}
			if got := s.GivenUp > 0; got != (mode == RepairNone) {
				t.Errorf("%d packets were given up", s.GivenUp)
			}
			if back, err := ParseRepair(mode.String()); err != nil || back != mode {
				t.Errorf("%v is read as %v: %v", mode, back, err)
			}
		})
	}
	if _, err := ParseRepair("all"); err == nil {
		t.Error("a mode that there is not is read")
	}
}

package client

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// farPast makes every deadline that is asked for lie before it comes up.
var farPast = time.Unix(0, 0)

// listener is an ingress without a connection: one slot of video on SSRC 10
// with retransmissions on 11, and one of sound on 20.
func listener(t testing.TB, on func(slot int, source uint32, p *packet.Packet)) *ingress {
	t.Helper()
	c := &Call{opts: Options{AudioSlots: 1, VideoSlots: 1, CachePackets: 64, OnPacket: on}}
	m := &media{call: c, pool: packet.NewPool(), inbox: mailbox.New[item](16)}
	m.egress = &egress{media: m}
	g, err := newIngress(m)
	if err != nil {
		t.Fatal(err)
	}
	m.ingress = g
	var d profile.Description
	d.Formats[96].Kind, d.Formats[97].Kind, d.Formats[97].APT = codec.VP8, codec.RTX, 96
	d.Formats[111].Kind = codec.Opus
	d.IDs = profile.IDs{MID: 1, TransportWide: 3}
	d.Sections = []profile.Section{
		{MID: "0", Sends: true, Streams: map[uint32]uint32{20: 0}},
		{MID: "1", Sends: true, Video: true, Streams: map[uint32]uint32{10: 0, 11: 10}},
		{MID: "2", Streams: map[uint32]uint32{30: 0}},
	}
	g.start(d, []signal.Slot{{Slot: 0, MID: "0"}, {Slot: 1, MID: "1", Video: true}})
	t.Cleanup(func() {
		g.close()
		if n := m.pool.InUse(); n != 0 {
			t.Errorf("%d packets were not given back", n)
		}
	})
	return g
}

// onWire makes an RTP packet.
func onWire(t testing.TB, ssrc uint32, pt uint8, sequence uint16, payload []byte, csrc ...uint32) []byte {
	t.Helper()
	h := rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: sequence, Timestamp: uint32(sequence) * 960, SSRC: ssrc, CSRC: csrc}
	if err := h.SetExtension(3, []byte{byte(sequence >> 8), byte(sequence)}); err != nil {
		t.Fatal(err)
	}
	b, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIngressSortsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type got struct {
			slot      int
			source    uint32
			recovered bool
		}
		var heard []got
		g := listener(t, func(slot int, source uint32, p *packet.Packet) { heard = append(heard, got{slot, source, p.Recovered}) })
		g.setSource(0, 7)
		g.setSource(99, 1) // of no slot
		vp8 := []byte{0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1, 0, 0, 0, 0, 0}
		g.receive(onWire(t, 20, 111, 1, []byte{0x08, 1, 2}))                 // sound of the slot's source
		g.receive(onWire(t, 20, 111, 2, []byte{0x08, 1, 2}, 9))              // of one that signalling has not told yet
		g.receive(onWire(t, 20, 111, 2, []byte{0x08, 1, 2}))                 // again
		g.receive(onWire(t, 10, 96, 1, vp8))                                 // video
		g.receive(onWire(t, 10, 96, 3, vp8))                                 // one is missing
		g.receive(onWire(t, 11, 97, 50, append([]byte{0, 2}, vp8...)))       // and comes again
		g.receive(onWire(t, 30, 96, 1, vp8))                                 // of a section that is no slot
		g.receive(onWire(t, 20, 13, 3, []byte{1}))                           // of no format
		g.receive([]byte{0x80, 96})                                          // no packet
		g.receive(append(onWire(t, 20, 111, 4, nil), make([]byte, 1600)...)) // too large
		want := []got{{0, 7, false}, {0, 9, false}, {1, 0, false}, {1, 0, false}, {1, 0, true}}
		if len(heard) != len(want) {
			t.Fatalf("heard %+v, want %+v", heard, want)
		}
		for i := range want {
			if heard[i] != want[i] {
				t.Errorf("packet %d is %+v, want %+v", i, heard[i], want[i])
			}
		}
		s := g.stats()
		if s.Received != 5 || s.Recovered != 1 || s.Duplicates != 1 || s.Lost != 0 || s.Unknown != 2 || s.Malformed != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLostCountsRunsOfNumbers(t *testing.T) {
	var in inbound
	if in.lost() != 0 {
		t.Error("lost before the first packet")
	}
	for _, n := range []int64{100, 101, 105, 103, 99} {
		in.count(n)
	}
	if got := in.lost(); got != 2 {
		t.Errorf("%d lost, want 2 (102 and 104)", got)
	}
	in.count(100_000) // the source began anew
	in.count(100_002)
	if got := in.lost(); got != 3 {
		t.Errorf("%d lost, want the two of before and one", got)
	}
}

// TestReceiveAllocatesNothing in steady state.
func TestReceiveAllocatesNothing(t *testing.T) {
	g := listener(t, func(int, uint32, *packet.Packet) {})
	packets := make([][]byte, 4096)
	for i := range packets {
		packets[i] = onWire(t, 20, 111, uint16(i), []byte{0x08, 1, 2})
	}
	next := 0
	one := func() {
		g.nextTick = g.next(farPast) // what the run loop would have been told
		g.receive(packets[next%len(packets)])
		next++
	}
	for range 300 {
		one()
	}
	if n := testing.AllocsPerRun(1000, one); math.Round(n) != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

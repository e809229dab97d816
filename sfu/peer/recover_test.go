package peer

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/fec"
)

const fecType = 49

// protected is a camera's incoming side to which repair packets may come.
func protected(t *testing.T) *ingress {
	g := identified(t)
	g.formats[fecType].Kind = codec.FEC
	g.ids.TransportWide = 5
	return g
}

// frame is an RTP packet of the declared camera with one VP8 frame in it.
func frame(t testing.TB, sequence uint16) []byte {
	t.Helper()
	h := rtp.Header{Version: 2, Marker: true, PayloadType: 96, SequenceNumber: sequence, Timestamp: 3000 * uint32(sequence), SSRC: 60}
	if err := h.SetExtension(5, []byte{byte(sequence >> 8), byte(sequence)}); err != nil {
		t.Fatal(err)
	}
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(append(b, 0x10, 1, 0, 0), bytes.Repeat([]byte{byte(sequence)}, 20+int(sequence%7))...)
}

// repairOf is the repair packet of packets, on a stream that was never declared.
func repairOf(packets ...[]byte) []byte {
	var e fec.Encoder
	for _, b := range packets {
		b = bytes.Clone(b)
		b[17], b[18] = 0, 0 // the transport-wide number
		e.Add(&fec.Packet{
			First: b[0], Second: b[1], Sequence: binary.BigEndian.Uint16(b[2:]), Timestamp: binary.BigEndian.Uint32(b[4:]),
			Extension: b[12:20], Payload: b[20:],
		})
	}
	return repairPacket(e.Append(nil, 60))
}

func repairPacket(payload []byte) []byte {
	return append([]byte{0x80, fecType, 0, 1, 0, 0, 0, 0, 0, 0, 0, 77}, payload...)
}

// What is lost on the way up comes back by a repair packet, as it was, before or
// after the packets that it needs; once.
func TestLossOnTheWayUpIsRepaired(t *testing.T) {
	g := protected(t)
	defer g.close()
	var all [][]byte
	for n := range uint16(12) {
		all = append(all, frame(t, 100+n))
	}
	for n, b := range all[:8] {
		if n != 2 && n != 5 {
			g.receiveRTP(b)
		}
	}
	in := g.inbounds[60]
	g.receiveRTP(repairOf(all[0], all[1], all[2])) // late: the decoder has seen none of them
	if in.repaired != 0 || g.decoders != 1 {
		t.Fatalf("%d packets came back out of what was not kept, %d decoders", in.repaired, g.decoders)
	}
	g.receiveRTP(all[8])
	g.receiveRTP(repairOf(all[8], all[9], all[10]))
	g.receiveRTP(all[10])
	p := in.stream.Cached(109)
	if in.repaired != 1 || p == nil {
		t.Fatalf("%d packets came back", in.repaired)
	}
	if !bytes.Equal(p.Payload, all[9][20:]) || p.Timestamp != 3000*109 || !p.Marker || p.SSRC != 60 || p.Kind != codec.VP8 || !p.Recovered {
		t.Errorf("%+v came back", p)
	}
	if g.receiveRTP(all[9]); in.repaired != 1 || in.stream.Stats().Verdicts[0] != 8 {
		t.Errorf("it was taken in again: %+v", in.stream.Stats())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetRepair(time.Now().Add(unprotectedAfter+time.Second), in)
	if in.decoder != nil || g.decoders != 0 {
		t.Error("what is kept for repair is never let go")
	}
}

// Repair packets for what there is not are refused, and the streams that they are
// used for are bounded.
func TestRepairOfStrangersIsRefused(t *testing.T) {
	g := protected(t)
	defer func() { g.close() }()
	g.receiveRTP(repairOf(frame(t, 1), frame(t, 2)))
	if g.decoders != 0 || len(g.inbounds) != 0 || g.peer.media.counts.unknown.Load() != 1 {
		t.Errorf("%d decoders, %d streams, %d unknown packets", g.decoders, len(g.inbounds), g.peer.media.counts.unknown.Load())
	}
	g.receiveRTP(repairPacket([]byte{1, 2, 3}))
	if g.peer.media.counts.malformed.Load() != 1 {
		t.Error("a repair packet of three bytes is taken")
	}
	for ssrc := range uint32(2 * maxDecoders) {
		b := frame(t, 7)
		g.declared[1000+ssrc] = declaredSSRC{section: g.sections[1]}
		binary.BigEndian.PutUint32(b[8:], 1000+ssrc)
		g.receiveRTP(b)
		r := repairOf(frame(t, 7), frame(t, 8))
		binary.BigEndian.PutUint32(r[12+12:], 1000+ssrc)
		g.receiveRTP(r)
	}
	if g.decoders != maxDecoders {
		t.Errorf("%d decoders, at most %d are allowed", g.decoders, maxDecoders)
	}
}

// FuzzRepairOnTheWayUp sends repair packets that say anything, among packets of
// the stream: what comes out is checked as what comes in, and nothing leaks.
func FuzzRepairOnTheWayUp(f *testing.F) {
	good := repairOf(frame(f, 100), frame(f, 101))[12:]
	f.Add(good, uint16(100))
	f.Add([]byte{0, 96, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 60, 0, 100, 0xff, 0xff}, uint16(99))
	f.Add([]byte{0x30, 97, 0, 40, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 60, 0, 101, 0xc0, 0, 0xff}, uint16(100))
	f.Fuzz(func(t *testing.T, payload []byte, sequence uint16) {
		g := protected(t)
		for n := range uint16(6) {
			g.receiveRTP(frame(t, sequence+2*n))
			g.receiveRTP(repairPacket(payload))
		}
		if in := g.inbounds[60]; in == nil || in.repaired > 6*48 || g.decoders > 1 {
			t.Fatalf("%+v, %d decoders", in, g.decoders)
		}
		g.close()
		if n := g.peer.media.pool.InUse(); n != 0 {
			t.Fatalf("%d buffers are never given back", n)
		}
	})
}

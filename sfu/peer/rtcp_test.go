package peer

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// A compound is several packets: a report in front does not hide the NACK
// behind it, nor one that cannot be read the report after it.
func TestEveryPacketOfACompoundIsHeard(t *testing.T) {
	p := newPath(t, 1)
	defer p.close()
	now := time.Now()
	for i := range uint16(20) {
		p.publisher.ingress.receiveRTP(vp8(i, uint32(i)*3000, i == 0, 300))
	}
	for range 40 {
		now = now.Add(10 * time.Millisecond)
		for _, it := range p.worker.inbox.Take() {
			p.worker.handle(now, it)
		}
		p.worker.flush(now)
	}
	recorder := p.outs[0].recorder
	report, _ := recorder.Build(now, nil)
	if !feedback.IsTWCC(report) {
		t.Fatalf("no report of %d packets", p.packets)
	}
	nack, err := rtcp.Marshal([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 100, Nacks: []rtcp.NackPair{{PacketID: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	damaged := []byte{0x80, 200, 0, 1, 0, 0, 0, 0} // a sender report without its body
	e := p.subscribers[0]
	for _, compound := range [][]byte{append(append([]byte(nil), report...), nack...), append(append([]byte(nil), damaged...), nack...)} {
		before := asked(e.down.Stats().Slots[0])
		e.peer.receiveRTCP(now, compound)
		p.turn(now.Add(time.Millisecond))
		if asked(e.down.Stats().Slots[0]) == before {
			t.Errorf("the NACK in %x was not heard", compound)
		}
	}
	if s := e.down.Stats().Path; s.Reports == 0 {
		t.Error("the report was not heard")
	}
}

// asked is how many packets of a slot were asked for, whatever became of it.
func asked(s downlink.SlotStats) uint64 { return s.NACKs + s.NACKUnknown + s.NACKRefused }

// FuzzRTCP: what a client sends as RTCP, in a peer that has media.
func FuzzRTCP(f *testing.F) {
	rr, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 100}}}, &rtcp.PictureLossIndication{MediaSSRC: 100}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rr)
	f.Add([]byte("\x8f\xcd\x00\x05aaaabbbb\x00\x01\x00\x01\x00\x00\x00\x00\x20\x01\x04\x00\x81\xc9\x00\x01aaaa"))
	f.Add([]byte("\x8b\xcd\x00\x04aaaabbbb\x00\x00\x00\x00cccc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPath(t, 1)
		defer p.close()
		now := time.Now()
		p.publisher.ingress.receiveRTP(vp8(1, 0, true, 300))
		p.turn(now)
		p.subscribers[0].peer.receiveRTCP(now, b)
		p.publisher.receiveRTCP(now, b)
		p.turn(now.Add(time.Millisecond))
	})
}

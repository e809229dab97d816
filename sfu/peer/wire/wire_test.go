package wire

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestOverhead(t *testing.T) {
	for _, c := range []struct {
		candidate webrtc.ICECandidate
		want      units.Size
	}{
		{webrtc.ICECandidate{Address: "192.0.2.1", Protocol: webrtc.ICEProtocolUDP}, UsualOverhead},
		{webrtc.ICECandidate{Address: "::ffff:192.0.2.1", Protocol: webrtc.ICEProtocolUDP}, 20 + 8 + 10},
		{webrtc.ICECandidate{Address: "2001:db8::1", Protocol: webrtc.ICEProtocolUDP}, 40 + 8 + 10},
		{webrtc.ICECandidate{Address: "name.local", Protocol: webrtc.ICEProtocolUDP}, 20 + 8 + 10},
		{webrtc.ICECandidate{Address: "192.0.2.1", Protocol: webrtc.ICEProtocolTCP}, 20 + 32 + 2 + 10},
		{webrtc.ICECandidate{Address: "192.0.2.1", Protocol: webrtc.ICEProtocolUDP, Typ: webrtc.ICECandidateTypeRelay}, 20 + 8 + 4 + 10},
	} {
		if got := Overhead(&c.candidate); got != c.want {
			t.Errorf("%+v: %d bytes, want %d", c.candidate, got, c.want)
		}
	}
}

func TestReportsArePacked(t *testing.T) {
	if dst := AppendReceiverReports(nil, nil); len(dst) != 0 {
		t.Errorf("%d packets for nothing", len(dst))
	}
	dst := AppendReceiverReports(nil, make([]rtcp.ReceptionReport, 63))
	if len(dst) != 3 {
		t.Fatalf("%d packets for 63 reports", len(dst))
	}
	for i, n := range []int{31, 31, 1} {
		if got := len(dst[i].(*rtcp.ReceiverReport).Reports); got != n {
			t.Errorf("packet %d has %d reports, want %d", i, got, n)
		}
	}
	if dst := AppendNACK(nil, 7, nil); len(dst) != 0 {
		t.Error("asked for nothing")
	}
	nack := AppendNACK(nil, 7, []uint16{1, 2, 40})[0].(*rtcp.TransportLayerNack)
	if nack.MediaSSRC != 7 || len(nack.Nacks) != 2 {
		t.Errorf("%+v", nack)
	}
}

func TestFeedbackIsBuiltWhenDue(t *testing.T) {
	r, err := feedback.NewRecorder(feedback.DefaultRecorderConfig())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	if dst, memory := AppendFeedback(now, r, nil, nil); len(dst) != 0 || memory != nil {
		t.Errorf("%d packets before anything came", len(dst))
	}
	for i := range uint16(20) {
		r.OnArrival(now.Add(time.Duration(i)*5*time.Millisecond), i, 1000)
	}
	dst, memory := AppendFeedback(r.Next(), r, nil, nil)
	if len(dst) != 1 || len(memory) == 0 {
		t.Fatalf("%d packets", len(dst))
	}
	raw, err := dst[0].Marshal()
	if err != nil || len(raw) != len(memory) {
		t.Errorf("%d bytes of %d, %v", len(raw), len(memory), err)
	}
	if dst, _ := AppendFeedback(r.Next(), r, memory, nil); len(dst) != 0 {
		t.Errorf("%d packets for nothing new", len(dst))
	}
}

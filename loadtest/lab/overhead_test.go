package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestOverheads judges a recording of known packets: every kind is told for the
// end that sent it, media and what lies outside the run are not, and only RTCP
// counts as feedback.
func TestOverheads(t *testing.T) {
	plan := over("overheads", "", link.Config{Capacity: link.Constant(units.Mbps)}, most(metricFeedback, 1))
	plan.Duration, plan.Settled = 10*sec, sec
	var rec Recording
	var f FlowRecording
	for i := range 100 { // 100 kbit/s of video in packets of 1250 bytes
		at := time.Duration(i) * 100 * ms
		f.Packets = append(f.Packets, PacketRecord{Sent: at, Arrived: at + 50*ms, Size: 1250, Kind: KindMedia})
	}
	add := func(to *[]PacketRecord, n int, k PacketKind, size units.Size) {
		for i := range n {
			at := time.Duration(i) * sec / 2
			*to = append(*to, PacketRecord{Sent: at, Arrived: at + 50*ms, Size: size, Kind: k, Stream: k == KindSignalling})
		}
	}
	add(&f.Packets, 4, KindSenderReport, 125)
	add(&f.Packets, 2, KindDTLS, 500)
	add(&f.Reports, 10, KindByStream, 125)
	add(&f.Reports, 5, KindNACK, 100)
	add(&f.Reports, 10, KindSTUN, 250)
	add(&f.Reports, 1, KindSignalling, 1250)
	f.Reports = append(f.Reports, PacketRecord{Sent: 11 * sec, Size: 9999, Kind: KindNACK}, PacketRecord{Sent: -sec, Size: 9999, Kind: KindNACK})
	rec.Flows = []FlowRecording{f}
	r, _, err := Judge(plan, "x", "full", 1, rec)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"sender_sr_kbps": 0.4, "sender_dtls_kbps": 0.8, "receiver_ccfb_kbps": 1, "receiver_nack_kbps": 0.4,
		"receiver_stun_kbps": 2, "receiver_signalling_kbps": 1,
	} {
		if got := float64(r.More[name]); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"sender_media_kbps", "sender_stun_kbps", "receiver_voice_kbps", "receiver_twcc_kbps"} {
		if v, told := r.More[name]; told {
			t.Errorf("%s is told: %v", name, v)
		}
	}
	// 1.4 kbit/s of RTCP over 2.5 % of what arrived, some 101 kbit/s: the
	// sender's other packets are told to the meter, too.
	if got := float64(r.More[metricFeedback]); got < 1.4/2.6 || got > 1.4/2.5 {
		t.Errorf("feedback is %v of what is allowed", got)
	}
}

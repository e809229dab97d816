package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestJudgeARecording hands over a run whose figures are known: 1250 bytes
// every 10 ms fill 1 Mbit/s; every tenth packet is lost by the link and every
// twentieth by its queue.
func TestJudgeARecording(t *testing.T) {
	plan := over("made-up", "made up", link.Config{Capacity: link.Constant(units.Mbps), Loss: link.Loss{Random: 0.1}},
		least("utilization", 84), most("queue_ms_p95", 19), most("added_loss", 5))
	plan.Duration, plan.Settled = 40*time.Second, 10*time.Second
	var f FlowRecording
	stats := link.Stats{}
	for i := range 4000 {
		p := PacketRecord{Sent: time.Duration(i) * 10 * ms, Size: 1250, Waited: time.Duration(i%20) * ms}
		p.Arrived = p.Sent + 60*ms
		switch {
		case i%20 == 7:
			p.Drop = link.Overflowed
		case i%10 == 3:
			p.Drop = link.Lost
			stats.Dropped[link.Lost].Packets++
		default:
			stats.Arriving.Packets++
		}
		f.Packets = append(f.Packets, p)
		if i%100 == 0 {
			f.Reports = append(f.Reports, PacketRecord{Sent: p.Sent, Size: 125})
		}
	}
	f.Targets = []TargetRecord{{0, 300 * units.Kbps}, {5 * time.Second, units.Mbps}}
	r, s, err := Judge(plan, "other", "full", 7, Recording{Flows: []FlowRecording{f}, Forward: []link.Stats{stats}, Depth: make([]time.Duration, 4000)})
	if err != nil {
		t.Fatal(err)
	}
	near := func(name string, got Number, want float64) {
		if math.Abs(float64(got)-want) > 0.2 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("utilization", r.Utilization, 85)
	near("queue p50", r.QueueP50, 10)
	near("queue p95", r.QueueP95, 19)
	near("loss", r.Loss, 15)
	near("added loss", r.AddedLoss, 5)
	near("rate", r.Rate, 848.5)
	near("feedback", r.Feedback, 1)
	near("ramp", r.Ramp, 0)
	if r.CC != "other" || r.Backend != "full" || r.Seed != 7 || r.Pass == nil || !*r.Pass {
		t.Errorf("judged %+v", r)
	}
	if n := len(s.Rate); n != 200 || s.Target[10] != 300 || s.Target[100] != 1000 || s.Target[199] != 1000 || s.Capacity[3] != 1000 {
		t.Errorf("a series of %d, targets %v, %v, %v", n, s.Target[10], s.Target[100], s.Target[199])
	}
	if _, _, err := Judge(plan, "other", "full", 7, Recording{}); err == nil {
		t.Error("a recording without its flow was judged")
	}
}

package full_test

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
)

// TestSatelliteFreezes compares what makes up for loss where asking again takes
// 600 ms and a twentieth is lost: with repair packets the picture stands still at
// most a third as long as with retransmission alone.
func TestSatelliteFreezes(t *testing.T) {
	all, err := lab.Suite("calls")
	if err != nil {
		t.Fatal(err)
	}
	frozen := map[string]float64{}
	for _, s := range all {
		if s.Name != "satellite-loss-5" {
			continue
		}
		for _, repair := range []string{"retransmission", "fec"} {
			own := s.Call.Clone()
			own.Repair = repair
			s.Call = &own
			p, err := full.FromCall(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := full.RunCall(t, p, adapter)
			if err != nil {
				t.Fatal(err)
			}
			r, _, err := lab.JudgeCall(s, "full", 1, rec)
			if err != nil {
				t.Fatal(err)
			}
			frozen[repair] = float64(r.More["thin.frozen_s.later"])
		}
	}
	t.Logf("of 100 s the picture stands still for %.1f s with retransmission, %.1f s with repair packets too",
		frozen["retransmission"], frozen["fec"])
	if frozen["retransmission"] < 20 {
		t.Errorf("retransmission alone leaves %.1f s: this shows nothing", frozen["retransmission"])
	}
	if frozen["fec"] > frozen["retransmission"]/3 {
		t.Errorf("repair packets leave %.1f of %.1f s, want at most a third", frozen["fec"], frozen["retransmission"])
	}
}

package signal_test

import (
	"errors"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

func TestDataBudgetIsBounded(t *testing.T) {
	for _, c := range []struct {
		budget *signal.DataBudget
		ok     bool
	}{
		{nil, true},
		{&signal.DataBudget{}, true},
		{&signal.DataBudget{Call: signal.MinDataBudget, Hour: signal.MaxDataBudget}, true},
		{&signal.DataBudget{Call: signal.MinDataBudget - 1}, false},
		{&signal.DataBudget{Hour: signal.MaxDataBudget + 1}, false},
		{&signal.DataBudget{Hour: -1}, false},
	} {
		for _, body := range []signal.Body{
			&signal.SetDataMode{Mode: signal.DataAuto, Budget: c.budget},
			&signal.Join{Version: signal.Version, Room: "r", DataBudget: c.budget},
		} {
			err := body.Validate()
			var refusal *signal.Error
			if (err == nil) != c.ok || err != nil && (!errors.As(err, &refusal) || refusal.Code != signal.BadMessage) {
				t.Errorf("%s with %+v: %v", body.Type(), c.budget, err)
			}
		}
	}
}

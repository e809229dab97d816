package report

import (
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

func TestFreezes(t *testing.T) {
	call := lab.Scenario{Name: "a-call", Call: &lab.Call{People: []lab.Person{{Name: "ann", Slots: 1}, {Name: "mute"}}}}
	result := func(minute, total, longest lab.Number) lab.Result {
		return lab.Result{More: map[string]lab.Number{"ann.freezes_per_minute": minute, "ann.frozen_s": total, "ann.freeze_s": longest}}
	}
	var b strings.Builder
	err := Freezes(&b, "From here.", []FreezeRun{
		{Way: "nothing", Call: call, Results: []lab.Result{result(9, 30, 4), result(7, 20, 2), result(1, 50, 3)}},
		{Way: "all", Call: call, Results: []lab.Result{result(1, 2, 0.25), result(2, 4, 0.75)}},
	})
	want := freezesHead + `From here.

| call | who looks | nothing | all |
| --- | --- | --- | --- |
| a-call | ann | 7.0 / 30.0 / 3.0 | 1.5 / 3.0 / 0.5 |
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}

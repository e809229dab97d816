package full_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

const childArgument = "lab-child"

// TestMain lets this binary be its own child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArgument {
		full.Child(adapter)
	}
	m.Run()
}

func adapter(e signal.Engine) http.Handler { return ws.New(e, ws.Config{}) }

// over answers a plan with one flow over a link of 50 ms.
func over(c full.Controller, rate units.Rate, d time.Duration) full.Plan {
	return full.Plan{
		Name: "steady", Controller: c, Seed: 1, Duration: d,
		Forward: []link.Config{{
			Capacity: link.Constant(rate), Delay: 50 * time.Millisecond, Queue: link.Queue{Delay: 300 * time.Millisecond},
		}},
		Back:  []link.Config{{Delay: 50 * time.Millisecond}},
		Flows: []full.Flow{{}},
	}
}

// arrived is how many bytes of a flow came through between two times.
func arrived(f full.FlowRecord, from, to time.Duration) (sum units.Size) {
	for _, p := range f.Packets {
		if p.Drop == link.None && p.Arrived >= from && p.Arrived < to {
			sum += p.Size
		}
	}
	return sum
}

// longest is the longest wait of packets sent from a time on.
func longest(f full.FlowRecord, from time.Duration) (wait time.Duration) {
	for _, p := range f.Packets {
		if p.Sent >= from {
			wait = max(wait, p.Waited)
		}
	}
	return wait
}

// TestSteady runs both stacks over the plainest of links. What the links saw
// and what was recorded must be the same, and the figures those that the
// scoreboard has for this row, with room for chance.
func TestSteady(t *testing.T) {
	for _, test := range []struct {
		controller full.Controller
		least      float64 // share of the capacity after 20 s
		queue      time.Duration
	}{
		{full.PionGCC, 0.92, 250 * time.Millisecond},
		{full.Rivulet, 0.97, 100 * time.Millisecond},
	} {
		t.Run(string(test.controller), func(t *testing.T) {
			const d = 30 * time.Second
			r, err := full.Run(t, over(test.controller, units.Mbps, d), adapter)
			if err != nil {
				t.Fatal(err)
			}
			f := r.Flows[0]
			if got := uint64(len(f.Packets)); got != r.Forward[0].Offered.Packets || got < 1000 {
				t.Errorf("%d packets recorded, %d offered to the link", got, r.Forward[0].Offered.Packets)
			}
			if got := uint64(len(f.Reports)); got != r.Back[0].Offered.Packets || got < 100 {
				t.Errorf("%d reports recorded, %d offered to the link", got, r.Back[0].Offered.Packets)
			}
			if got, want := len(r.Depth), int(d/full.DepthStep)+1; got != want {
				t.Errorf("the queue was looked at %d times, want %d", got, want)
			}
			share := float64(arrived(f, 20*time.Second, d).Over(10*time.Second)) / float64(units.Mbps)
			wait := longest(f, 20*time.Second)
			t.Logf("%.1f %% of the capacity, queue of at most %v, target %v at the end", 100*share, wait, f.Targets[len(f.Targets)-1].Rate)
			if share < test.least || share > 1.01 {
				t.Errorf("%.1f %% of the capacity, want %.0f at least", 100*share, 100*test.least)
			}
			if wait > test.queue {
				t.Errorf("waited %v, want %v at most", wait, test.queue)
			}
		})
	}
}

// TestLoss: half of what is sent is lost, which is recorded as the link's doing.
func TestLoss(t *testing.T) {
	p := over(full.PionGCC, units.Mbps, 5*time.Second)
	p.Forward[0].Loss.Random = 0.5
	r, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, k := range r.Flows[0].Packets {
		if k.Drop == link.Lost {
			lost++
		}
	}
	if n := len(r.Flows[0].Packets); uint64(lost) != r.Forward[0].Dropped[link.Lost].Packets || lost < n/3 || lost > 2*n/3 {
		t.Errorf("%d of %d packets lost, the link says %d", lost, n, r.Forward[0].Dropped[link.Lost].Packets)
	}
}

// TestManyFlows: three callers of which one pauses and one speaks only, and
// traffic beside them, on one link.
func TestManyFlows(t *testing.T) {
	p := over(full.Rivulet, units.Mbps, 12*time.Second)
	p.Flows = []full.Flow{
		{Most: 200 * units.Kbps, Pauses: []full.Span{{From: 4 * time.Second, To: 8 * time.Second}}},
		{NoVideo: true, Voice: 24 * units.Kbps, Start: 2 * time.Second, Stop: 10 * time.Second},
		{Most: 200 * units.Kbps, Voice: 24 * units.Kbps, Extra: 40 * time.Millisecond},
	}
	p.UDP = []lab.UDP{{Rate: 100 * units.Kbps, Start: time.Second}}
	r, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	if got := arrived(r.Flows[0], 5*time.Second, 8*time.Second).Over(3 * time.Second); got > 10*units.Kbps {
		t.Errorf("%v while paused", got)
	}
	if got := arrived(r.Flows[0], 9*time.Second, 12*time.Second).Over(3 * time.Second); got < 100*units.Kbps {
		t.Errorf("%v after the pause", got)
	}
	if got := arrived(r.Flows[1], 6*time.Second, 9*time.Second).Over(3 * time.Second); got < 40*units.Kbps || got > 60*units.Kbps {
		t.Errorf("a voice of 24 kbit/s in packets of 20 ms takes %v", got)
	}
	if got := arrived(r.Flows[2], 6*time.Second, 12*time.Second).Over(6 * time.Second); got < 200*units.Kbps {
		t.Errorf("video and voice together take %v", got)
	}
	least := r.Flows[2].Packets[0]
	if least.Arrived-least.Sent < 90*time.Millisecond {
		t.Errorf("one way takes %v, want 90 ms at least", least.Arrived-least.Sent)
	}
	if n := len(r.Other); n < 135 || n > 140 {
		t.Errorf("%d packets of other traffic, want 137", n)
	}
	recorded := len(r.Other)
	for _, f := range r.Flows {
		recorded += len(f.Packets)
	}
	if uint64(recorded) != r.Forward[0].Offered.Packets {
		t.Errorf("%d packets recorded, %d offered to the link", recorded, r.Forward[0].Offered.Packets)
	}
}

// TestRefuses: a wrong plan is refused before anything runs.
func TestRefuses(t *testing.T) {
	for name, change := range map[string]func(*full.Plan){
		"controller":   func(p *full.Plan) { p.Controller = "goog" },
		"duration":     func(p *full.Plan) { p.Duration = 0 },
		"no links":     func(p *full.Plan) { p.Back = nil },
		"wrong link":   func(p *full.Plan) { p.Forward[0].Delay = -1 },
		"no flows":     func(p *full.Plan) { p.Flows = nil },
		"late flow":    func(p *full.Plan) { p.Flows[0].Start = time.Hour },
		"silence":      func(p *full.Plan) { p.Flows[0].NoVideo = true },
		"traffic":      func(p *full.Plan) { p.UDP = []lab.UDP{{}} },
		"no such link": func(p *full.Plan) { p.Flows[0].To = 2 },
		"negative":     func(p *full.Plan) { p.Flows[0].Voice = -1 },
	} {
		p := over(full.Rivulet, units.Mbps, time.Second)
		change(&p)
		if _, err := full.Run(t, p, adapter); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if _, err := full.Run(t, over(full.Rivulet, units.Mbps, time.Second), nil); err == nil {
		t.Error("a server without an adapter is not refused")
	}
}

// TestChild runs a plan in a child, as a command does, and compares with what
// this process gets: within what chance leaves open.
func TestChild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, childArgument) }
	p := over(full.PionGCC, units.Mbps, 10*time.Second)
	there, err := full.Execute(t.Context(), command, p)
	if err != nil {
		t.Fatal(err)
	}
	here, err := full.Run(t, p, adapter)
	if err != nil {
		t.Fatal(err)
	}
	a, b := float64(arrived(there.Flows[0], 0, p.Duration)), float64(arrived(here.Flows[0], 0, p.Duration))
	if a < 0.95*b || a > 1.05*b || there.Controller != full.PionGCC || len(there.Depth) != len(here.Depth) {
		t.Errorf("%v bytes in a child, %v here", a, b)
	}
	p.Flows[0].Stop = time.Nanosecond
	p.Controller = full.Rivulet
	if _, err := full.Execute(t.Context(), command, p); err != nil {
		t.Errorf("a flow that sends nothing: %v", err)
	}
	silent := func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, "-test.run=^$") }
	if _, err := full.Execute(t.Context(), silent, p); err == nil || !strings.Contains(err.Error(), "answer") {
		t.Errorf("a child that answers nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := full.Execute(ctx, command, p); err != context.Canceled {
		t.Errorf("a run that was cancelled: %v", err)
	}
}

// TestPlanTravels: a plan comes out of JSON as it went in.
func TestPlanTravels(t *testing.T) {
	stepped, err := link.Steps(10*time.Second, link.Step{Rate: 1000}, link.Step{At: 4 * time.Second, Rate: 0})
	if err != nil {
		t.Fatal(err)
	}
	trace, _, err := link.ReadTrace(strings.NewReader("0\n3\n3\n700\n1000\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := over(full.Rivulet, units.Mbps, 25*time.Second)
	p.Forward[0].Outages = []link.Outage{{At: time.Second, For: time.Second, Drop: true}}
	p.Forward = append(p.Forward, link.Config{Capacity: stepped, Queue: link.Queue{Size: 5000}})
	p.Back = append(p.Back, link.Config{Capacity: trace, Queue: link.Queue{Delay: time.Second}})
	p.Flows = append(p.Flows, full.Flow{Voice: 3, From: 1, To: 2, Pauses: []full.Span{{From: 1, To: 2}}})
	p.TCP, p.UDP = []lab.TCP{{Law: lab.Cubic, Short: true}}, []lab.UDP{{Rate: 5, On: 3, Off: 4}}
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var got full.Plan
	if err := got.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); at < p.Duration; at += 7 * time.Millisecond {
		for i, c := range []link.Capacity{p.Forward[0].Capacity, stepped, {}, trace} {
			other := []link.Capacity{got.Forward[0].Capacity, got.Forward[1].Capacity, got.Back[0].Capacity, got.Back[1].Capacity}[i]
			if a, b := c.Carries(0, at), other.Carries(0, at); a != b || c.Limited() != other.Limited() {
				t.Fatalf("capacity %d carries %v until %v, and %v afterwards", i, a, at, b)
			}
		}
	}
	for _, side := range [][]link.Config{p.Forward, p.Back, got.Forward, got.Back} {
		for i := range side {
			side[i].Capacity = link.Capacity{}
		}
	}
	if !reflect.DeepEqual(p, got) {
		t.Errorf("got %+v\nwant %+v", got, p)
	}
}

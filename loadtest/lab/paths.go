package lab

import (
	"bytes"
	"embed"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// traces are measured cellular links; traces/README.md says by whom.
//
//go:embed traces/*.cooked
var traces embed.FS

// traced answers a capacity of the suites.
func traced(name string) link.Capacity {
	text, err := traces.ReadFile("traces/" + name + ".cooked")
	if err != nil {
		panic(err) // a mistake in this package
	}
	c, _, err := link.ReadTrace(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	return c
}

// quiet is what is asked of flows on paths that ask no more: a short queue, and
// little loss of their own making.
func quiet() []Target { return []Target{most("queue_ms_p95", 60), most("added_loss", 1)} }

// besideUDP are flows beside traffic that adapts to nothing: they take what it
// leaves, and give way when it comes.
func besideUDP() []Scenario {
	row := func(name, title string, u UDP) Scenario {
		s := over(name, title, link.Config{Capacity: link.Constant(2 * units.Mbps)},
			least(metricRest, 92), most("queue_ms_p95", 60), most("added_loss", 1), least(metricVoice, 50))
		s.Suite = "rfc8867"
		s.Flows = []Flow{{Media: Media{Perfect: true, Voice: 20 * units.Kbps}}}
		s.UDP = []UDP{u}
		return s
	}
	steady := row("udp-steady", "1 M of 2 M taken by traffic that does not adapt, for a minute", UDP{Start: 30 * sec, Stop: 90 * sec, Rate: units.Mbps})
	steady.Rises, steady.Drains = []time.Duration{90 * sec}, []time.Duration{30 * sec}
	steady.Targets = append(steady.Targets, most("recover_s", 5), most(metricDrain, 5))
	// Each return may take the 5 s that a step may: a quarter of what is left.
	onOff := row("udp-on-off", "1 M of 2 M taken for 10 s, free for 10 s, and so on", UDP{Start: 20 * sec, Rate: units.Mbps, On: 10 * sec, Off: 10 * sec})
	onOff.Targets[0] = least(metricRest, 80)
	return []Scenario{steady, onOff}
}

// parameters are the path parameters of RFC 8868 §4: delays, queues, and jitter
// of a truncated normal distribution with a deviation of 5 ms.
func parameters() []Scenario {
	var all []Scenario
	add := func(name, title string, oneWay, depth time.Duration) {
		s := rfcCase("", title, 120*sec, rfcLink(oneWay, depth, link.Constant(1000*units.Kbps)), link.Config{Delay: oneWay}, Flow{Media: rfcMedia()})
		s.Name, s.Targets = "rfc8868-"+name, quiet()
		all = append(all, s.WithRepair(playoutRoom))
	}
	for _, d := range []time.Duration{1, 50, 150, 300} {
		add(fmt.Sprintf("delay-%d", d), fmt.Sprintf("RFC 8868, %d ms one way", d), d*ms, room)
	}
	for _, d := range []time.Duration{70, 500, 1000, 2000} {
		add(fmt.Sprintf("queue-%d", d), fmt.Sprintf("RFC 8868, a queue of %d ms", d), delay, d*ms)
	}
	return all
}

// wireless are RFC 8869's kinds of link: cells with varying load and with bad
// coverage, and Wi-Fi that is the bottleneck. The RFC leaves radio models to who
// tests; these are measured traces, radio slots, and a model of Wi-Fi.
func wireless() []Scenario {
	radio := func(name, title string, c link.Capacity, flows ...Flow) Scenario {
		down := link.Config{
			Capacity: c, Queue: link.Queue{Delay: sec}, Delay: delay, Slot: 10 * ms, Jitter: link.Jitter{Deviation: 5 * ms},
		}
		up := link.Config{Capacity: link.Constant(256 * units.Kbps), Queue: link.Queue{Delay: sec}, Delay: delay, Slot: 10 * ms}
		s := rfcCase("", title, 120*sec, down, up, flows...)
		s.Name, s.Targets = "rfc8869-"+name, []Target{most("queue_ms_p95", 150), most("added_loss", 1), least(metricVoice, 50)}
		return s.WithRepair(playoutRoom)
	}
	alone := radio("cellular-load", "RFC 8869 3.1, a loaded cell from a tram (3G, Oslo)", traced("norway_tram_26"), Flow{Media: rfcMedia()})
	// Other people of the cell come and go: pages and pieces of pages.
	shared := radio("cellular-load-web", "RFC 8869 3.1, the same beside short transfers", traced("norway_tram_26"), Flow{Media: rfcMedia()})
	shared.Targets = []Target{least(metricVoice, 50)}
	for range 5 {
		shared.TCP = append(shared.TCP, TCP{Short: true})
	}
	bad := radio("bad-coverage", "RFC 8869 3.2, bad coverage from a ferry (3G, Oslo), with gaps and loss", traced("norway_ferry_4"), Flow{Media: rfcMedia()})
	bad.Forward[0].Outages = []link.Outage{{At: 30 * sec, For: sec}, {At: 65 * sec, For: 2 * sec}, {At: 100 * sec, For: 500 * ms}}
	bad.Forward[0].Loss.Random = 0.01
	bad.Drains, bad.DrainTo = []time.Duration{31 * sec, 67 * sec, 100*sec + 500*ms}, 150*ms
	bad.Targets = []Target{most("added_loss", 1), most(metricDrain, 5)}
	return append([]Scenario{alone, shared, bad}, wifi()...)
}

// wifi is RFC 8869 §4.2: the air is the bottleneck. Its rate follows how far away
// people are, packets leave in bursts as the air is free, and a few are lost.
func wifi() []Scenario {
	const k = units.Kbps
	air := func(seed int) link.Config {
		steps := []units.Rate{6000, 4000, 2000, 5000, 3000, 1500, 6000}
		var plan []link.Step
		for i := range steps {
			plan = append(plan, link.Step{At: time.Duration(i) * 17 * sec, Rate: steps[(i+seed)%len(steps)] * k})
		}
		return link.Config{
			Capacity: stepped(plan...), Queue: link.Queue{Delay: 200 * ms}, Delay: 10 * ms, Slot: 5 * ms,
			Jitter: link.Jitter{Deviation: 5 * ms}, Loss: link.Loss{Random: 0.005},
		}
	}
	row := func(name, title string, flows ...Flow) Scenario {
		s := rfcCase("", title, 120*sec, air(0), air(3), flows...)
		s.Name = "rfc8869-wifi-" + name
		s.Targets = append(fair(), most("queue_ms_p95", 100), most("added_loss", 1), least(metricVoice, 50))
		return s.WithRepair(playoutRoom)
	}
	one := Flow{Media: rfcMedia()}
	reverse := Flow{Media: rfcMedia(), Reverse: true}
	down := row("down", "RFC 8869 4.2, four flows down", one, one, one, one)
	both := row("both-ways", "RFC 8869 4.2, two flows down, two up", one, one, reverse, reverse)
	onOff := row("udp", "RFC 8869 4.2, two flows down beside traffic on and off", one, one)
	onOff.UDP = []UDP{{Start: 20 * sec, Rate: units.Mbps, On: 5 * sec, Off: 5 * sec}}
	tcp := row("tcp", "RFC 8869 4.2, two flows down beside a long transfer", one, one)
	tcp.TCP = []TCP{{Law: Cubic, Start: 20 * sec}}
	tcp.Targets = append(fair(), least(metricVoice, 50))
	return []Scenario{down, both, onOff, tcp}
}

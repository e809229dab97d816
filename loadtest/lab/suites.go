package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
)

// Suites answers the names of the suites.
func Suites() []string { return []string{"core", "rfc8867", "thin", "calls"} }

// Suite answers the scenarios of a suite, of several, or of all of them. What
// is in several is there once, in the first.
func Suite(names ...string) ([]Scenario, error) {
	var all []Scenario
	add := func(some []Scenario) {
		for _, s := range some {
			if !slices.ContainsFunc(all, func(o Scenario) bool { return o.Name == s.Name }) {
				all = append(all, s)
			}
		}
	}
	for _, name := range names {
		switch name {
		case "core":
			add(core())
		case "rfc8867":
			add(rfc8867())
		case "thin":
			add(thin())
		case "calls":
			add(calls())
		case "all":
			add(slices.Concat(core(), rfc8867(), thin(), calls()))
		default:
			return nil, fmt.Errorf("no suite %q: there are %v and all", name, Suites())
		}
	}
	return all, nil
}

// Over answers a scenario for a network of one's own: one perfect flow down
// it, reports coming back up.
func Over(p profile.Profile) Scenario {
	s := over(p.Name, p.Title, p.Down)
	s.Suite = "profile"
	s.Back = []link.Config{p.Up}
	return s
}

// OverTrace answers a scenario for a trace: 50 ms one way, a queue of 300 ms.
func OverTrace(name string, c link.Capacity) Scenario {
	s := over(name, "trace "+name, link.Config{Capacity: c})
	s.Suite = "trace"
	return s
}

// thin answers the table of thin links, in both directions. It has no targets
// of its own: it is there to be looked at.
func thin() []Scenario {
	var all []Scenario
	for _, p := range profile.Table() {
		for _, up := range []bool{false, true} {
			d := p
			name := p.Name + "-down"
			if up {
				d.Down, d.Up = p.Up, p.Down
				name = p.Name + "-up"
			}
			s := Over(d).WithRepair(playoutRoom)
			s.Suite, s.Name = "thin", name
			all = append(all, s)
		}
		if p.Name == "bufferbloat" {
			s := Over(p).WithRepair(playoutRoom)
			s.Suite, s.Name = "thin", "bufferbloat-tcp"
			s.TCP = []TCP{{}}
			all = append(all, s)
		}
	}
	return all
}

// rfcLink is RFC 8867's path: 50 ms one way, tail drop at 300 ms. The jitter
// that it allows (at most 30 ms) is that of RFC 8868: deviation 5 ms.
func rfcLink(oneWay, depth time.Duration, c link.Capacity) link.Config {
	return link.Config{
		Capacity: c, Queue: link.Queue{Delay: depth}, Delay: oneWay, Jitter: link.Jitter{Deviation: 5 * ms},
	}
}

// rfcMedia is RFC 8867's source: video of 150 kbit/s to 1.5 Mbit/s from an
// encoder, voice of 20 kbit/s.
func rfcMedia() Media {
	return Media{Encoder: true, Least: 150 * units.Kbps, Most: 1500 * units.Kbps, Voice: 20 * units.Kbps}
}

func rfcCase(name, title string, d time.Duration, forward, back link.Config, flows ...Flow) Scenario {
	return Scenario{
		Suite: "rfc8867", Name: "rfc8867-" + name, Title: title, Duration: d,
		Forward: []link.Config{forward}, Back: []link.Config{back}, Flows: flows,
	}
}

// fair is what RFC 8868 §4.4 asks of flows that share: within 1/3 to 3.
func fair() []Target { return []Target{most(metricFairness, 3)} }

// variableCapacity is RFC 8867 §5.1 with one perfect flow.
func variableCapacity(oneWay time.Duration) Scenario {
	const k = units.Kbps
	c := stepped(link.Step{Rate: 1000 * k}, link.Step{At: 40 * sec, Rate: 2500 * k}, link.Step{At: 60 * sec, Rate: 600 * k}, link.Step{At: 80 * sec, Rate: 1000 * k})
	s := over("rfc8867-5.1", "RFC 8867 5.1", link.Config{Capacity: c, Delay: oneWay}, append(goals(92, 60, 1), most("recover_s", 5), most(metricDrain, 5))...)
	s.Duration = 100 * sec
	s.Rises, s.Drains, s.Limit = []time.Duration{40 * sec, 80 * sec}, []time.Duration{60 * sec}, "1 RTT"
	return s
}

// rfc8867 answers the RFC's cases.
func rfc8867() []Scenario {
	near, far := variableCapacity(delay), variableCapacity(2*delay)
	near.Suite, far.Suite = "rfc8867", "rfc8867"
	far.Name, far.Title = "rfc8867-5.1-100ms", "RFC 8867 5.1, one-way 100 ms"
	all := []Scenario{near, far}
	all = append(all, variableShared(), congestedFeedback())
	all = append(all, ownFlows()...)
	all = append(all, besideTCP()...)
	all = append(all, priority(), twoBottlenecks())
	all = append(all, marking()...)
	all = append(all, randomLoss("1", 0.01), randomLoss("5", 0.05), randomLoss("10", 0.10), randomLoss("20", 0.20))
	all = append(all, parameters()...)
	all = append(all, wireless()...)
	return append(all, besideUDP()...)
}

// randomLoss is a path of RFC 8868 §4.5 that loses at random, with flows that
// repair what still comes in time.
func randomLoss(name string, share float64) Scenario {
	there := rfcLink(delay, room, link.Constant(1000*units.Kbps))
	there.Loss.Random = share
	s := rfcCase("", "RFC 8868, random loss of "+name+" %, repaired", 120*sec, there, link.Config{Delay: delay}, Flow{Media: rfcMedia()})
	s.Name, s.Targets = "rfc8868-loss-"+name, quiet()
	return s.WithRepair(playoutRoom)
}

// marking is §6.2: the basic cases with queues that mark what waits for more than
// 20 ms, and reports that say so. What they must hold is what they must without.
func marking() []Scenario {
	var all []Scenario
	for _, s := range append([]Scenario{variableCapacity(delay), variableShared(), congestedFeedback()}, ownFlows()...) {
		_, number, _ := strings.Cut(s.Name, "-")
		s.Suite, s.Name, s.Title = "rfc8867", "rfc8867-6.2", "explicit congestion notification, "+number+" with marks"
		if number != "5.1" {
			s.Name += "-" + number
		}
		for _, side := range [][]link.Config{s.Forward, s.Back} {
			for i := range side {
				if side[i].Capacity.Limited() {
					side[i].Queue.Mark = 20 * ms
				}
			}
		}
		all = append(all, s.WithReports(ByStream))
	}
	return all
}

func variableShared() Scenario {
	const k = units.Kbps
	c := stepped(link.Step{Rate: 4000 * k}, link.Step{At: 25 * sec, Rate: 2000 * k}, link.Step{At: 50 * sec, Rate: 3500 * k},
		link.Step{At: 75 * sec, Rate: 1000 * k}, link.Step{At: 100 * sec, Rate: 2000 * k})
	s := rfcCase("5.2", "variable capacity, two flows", 125*sec, rfcLink(delay, room, c), link.Config{Delay: delay}, Flow{Media: rfcMedia()}, Flow{Media: rfcMedia()})
	s.Targets = fair()
	return s
}

func congestedFeedback() Scenario {
	const k = units.Kbps
	forward := stepped(link.Step{Rate: 2000 * k}, link.Step{At: 20 * sec, Rate: 1000 * k}, link.Step{At: 40 * sec, Rate: 500 * k}, link.Step{At: 60 * sec, Rate: 2000 * k})
	back := stepped(link.Step{Rate: 2000 * k}, link.Step{At: 35 * sec, Rate: 800 * k}, link.Step{At: 70 * sec, Rate: 2000 * k})
	s := rfcCase("5.3", "congested feedback", 100*sec, rfcLink(delay, room, forward), rfcLink(delay, room, back),
		Flow{Media: rfcMedia()}, Flow{Media: rfcMedia(), Reverse: true})
	s.Targets = quiet()
	return s
}

// ownFlows are the cases in which only flows of ours share a link.
func ownFlows() []Scenario {
	const k = units.Kbps
	wide := rfcLink(delay, room, link.Constant(3500*k))
	three := rfcCase("5.4", "three own flows", 120*sec, wide, link.Config{Delay: delay},
		Flow{Media: rfcMedia()}, Flow{Media: rfcMedia(), Start: 20 * sec}, Flow{Media: rfcMedia(), Start: 40 * sec})
	three.Targets = fair()
	far := rfcCase("5.5", "RTT fairness", 300*sec, rfcLink(10*ms, room, link.Constant(4000*k)), link.Config{Delay: 10 * ms})
	for i, oneWay := range []time.Duration{10, 25, 50, 100, 150} {
		far.Flows = append(far.Flows, Flow{Media: rfcMedia(), Start: time.Duration(i) * 10 * sec, Extra: oneWay*ms - 10*ms})
	}
	far.Targets = fair()
	pause := rfcCase("5.8", "pause and resume", 120*sec, wide, link.Config{Delay: delay},
		Flow{Media: rfcMedia()}, Flow{Media: rfcMedia(), Pauses: []Span{{40 * sec, 60 * sec}}}, Flow{Media: rfcMedia()})
	pause.Targets = fair()
	return []Scenario{three, far, pause}
}

// priority is §6.1: 5.4 with weights of 2, 1 and 1. The ceiling of the video is
// above what the first is to have, so that weights alone tell.
func priority() Scenario {
	s := ownFlows()[0]
	s.Name, s.Title = "rfc8867-6.1", "media flow priority, weights of 2, 1 and 1"
	for i := range s.Flows {
		s.Flows[i].Media.Most = 2500 * units.Kbps
	}
	s.Flows[0].Weight = 2
	s.Duration, s.Seeds = 300*sec, 10
	s.Targets = []Target{most(metricWeighted, 25), most("queue_ms_p95", 60), most("added_loss", 1)}
	return s
}

func besideTCP() []Scenario {
	const k = units.Kbps
	var all []Scenario
	for _, c := range []struct {
		name  string
		depth time.Duration
	}{{"5.6-300ms", 300 * ms}, {"5.6-1000ms", sec}} {
		s := rfcCase(c.name, "long TCP", 120*sec, rfcLink(delay, c.depth, link.Constant(2000*k)), link.Config{Delay: delay}, Flow{Media: rfcMedia(), Start: 5 * sec, Stop: 119 * sec})
		s.TCP, s.Seeds = []TCP{{Stop: 119 * sec}}, 10
		s.Targets = []Target{least("utilization", 40), most("utilization", 60), least(metricVoice, 50)}
		all = append(all, s)
	}
	short := rfcCase("5.7", "short TCP", 300*sec, rfcLink(delay, room, link.Constant(2000*k)), link.Config{Delay: delay},
		Flow{Media: rfcMedia(), Start: 5 * sec, Stop: 299 * sec}, Flow{Media: rfcMedia(), Start: 5 * sec, Stop: 299 * sec})
	for range 10 {
		short.TCP = append(short.TCP, TCP{Short: true})
	}
	short.Targets = fair()
	return append(all, short)
}

// twoBottlenecks is a row of three links; one flow crosses all of them, one
// each the first and the last.
func twoBottlenecks() Scenario {
	const k = units.Kbps
	s := rfcCase("6.3", "two bottlenecks", 300*sec, link.Config{}, link.Config{},
		Flow{Media: rfcMedia()}, Flow{Media: rfcMedia(), From: 0, To: 1}, Flow{Media: rfcMedia(), From: 2, To: 3})
	s.Forward = []link.Config{
		rfcLink(100*ms, room, link.Constant(2000*k)), rfcLink(40*ms, room, link.Constant(8000*k)), rfcLink(40*ms, room, link.Constant(1500*k)),
	}
	s.Back = []link.Config{{Delay: 100 * ms}, {Delay: 40 * ms}, {Delay: 40 * ms}}
	s.Targets = quiet()
	return s
}

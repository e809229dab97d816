package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
)

const (
	ms  = time.Millisecond
	sec = time.Second
	// delay and room are what scenarios have that do not say otherwise.
	delay = 50 * ms
	room  = 300 * ms
)

// perfectFlow is what most rows send: a perfect encoder and no voice.
func perfectFlow() []Flow { return []Flow{{Media: Media{Perfect: true}}} }

// over answers a plan with one perfect flow over one link, reports coming back
// over a path that is not limited.
func over(name, title string, l link.Config, targets ...Target) Scenario {
	if l.Delay == 0 {
		l.Delay = delay
	}
	if l.Queue == (link.Queue{}) && l.Capacity.Limited() {
		l.Queue.Delay = room
	}
	return Scenario{
		Suite: "core", Name: name, Title: title,
		Forward: []link.Config{l}, Back: []link.Config{{Delay: l.Delay}},
		Flows: perfectFlow(), Targets: targets,
	}
}

// overProfile is over with both directions of a profile.
func overProfile(name, title, network string, targets ...Target) Scenario {
	p, ok := profile.Find(network)
	if !ok {
		panic("lab: no profile " + network) // a mistake in this package
	}
	s := over(name, title, p.Down, targets...)
	s.Back = []link.Config{p.Up}
	return s
}

// goals are utilisation at least, queue at most, added loss at most.
func goals(utilization, queue, added float64) []Target {
	return append(share(utilization, queue), most("added_loss", added))
}

// share are utilisation at least and queue at most.
func share(utilization, queue float64) []Target {
	return []Target{least("utilization", utilization), most("queue_ms_p95", queue)}
}

// stepped answers a capacity of the suites; its plans are right.
func stepped(steps ...link.Step) link.Capacity {
	c, err := link.Steps(0, steps...)
	if err != nil {
		panic(err) // a mistake in this package
	}
	return c
}

// core answers every row of the first table, in its order.
func core() []Scenario {
	var all []Scenario
	add := func(s ...Scenario) { all = append(all, s...) }
	add(steadyRows()...)
	add(radioRows()...)
	add(changingRows()...)
	add(lossRows()...)
	add(competingRows()...)
	add(thriftRows()...)
	return all
}

// steadyRows are links that do not change.
func steadyRows() []Scenario {
	steady := func(name string, r units.Rate, targets ...Target) Scenario {
		s := over("steady-"+name, "steady "+name, link.Config{Capacity: link.Constant(r)}, targets...)
		s.Limit = "100 / 0"
		return s
	}
	return []Scenario{
		steady("1m", units.Mbps, append(goals(98, 50, 0), most("ramp_s", 2))...),
		steady("300k", 300*units.Kbps, goals(96, 60, 1)...),
		steady("150k", 150*units.Kbps, goals(96, 60, 1)...),
		steady("80k", 80*units.Kbps, goals(96, 60, 1)...),
	}
}

// radioRows are the old cellular networks.
func radioRows() []Scenario {
	gprs := overProfile("gprs", "GPRS 50 k", "gprs", append(goals(96, 200, 1), most(metricCalm, 6))...)
	gprs.Limit = "one RTT of overshoot"
	voice := overProfile("gprs-voice", "GPRS 50 k, audio only at the client's default rate", "gprs",
		most("queue_ms_p95", 150), most("added_loss", 0))
	// A browser's default: 27 to 31 kbit/s of payload in packets of 20 ms.
	voice.Flows = []Flow{{Media: Media{Voice: 30 * units.Kbps}}}
	edge := overProfile("edge", "EDGE 120-240 k", "edge", append(goals(94, 85, 1), most("recover_s", 4))...)
	edge.Rises, edge.Limit = []time.Duration{60 * sec}, "1 RTT + report"
	threeG := overProfile("3g", "3G 300-700 k", "3g", append(goals(94, 70, 1), most("recover_s", 4))...)
	threeG.Rises, threeG.Limit = []time.Duration{60 * sec}, "1 RTT + report"
	return []Scenario{gprs, voice, edge, threeG}
}

// changingRows are links whose capacity changes.
func changingRows() []Scenario {
	const k, m = units.Kbps, units.Mbps
	variable := variableCapacity(delay)
	variable.Suite = "core"
	drop := over("drop-2.5m-0.6m", "2.5 -> 0.6 -> 2.5 M", link.Config{Capacity: stepped(
		link.Step{Rate: 2500 * k}, link.Step{At: 40 * sec, Rate: 600 * k}, link.Step{At: 80 * sec, Rate: 2500 * k})},
		append(goals(92, 60, 1), most("recover_s", 5))...)
	drop.Rises, drop.Drains, drop.Limit = []time.Duration{80 * sec}, []time.Duration{40 * sec}, "1 RTT"
	outage := over("outage-2s", "outage 2 s", link.Config{Capacity: stepped(
		link.Step{Rate: m}, link.Step{At: 40 * sec}, link.Step{At: 42 * sec, Rate: m})},
		append(goals(97, 60, 0.5), most("recover_s", 2))...)
	outage.Rises, outage.Drains, outage.Limit = []time.Duration{42 * sec}, []time.Duration{42 * sec}, "RTT + report"
	handover := overProfile("handover-3s", "handover 3 s, 1 M -> 0.5 M, queue 2 s", "handover-3s", append(goals(97, 60, 0.2), most(metricDrain, 3))...)
	back := profile.HandoverAt + 3*sec
	handover.Back = []link.Config{{Delay: delay}}
	handover.Rises, handover.Drains, handover.Limit = []time.Duration{back}, []time.Duration{back}, "bytes in flight"
	policer := overProfile("policer-500k", "policer 500 k", "policer", least("utilization", 93), most("added_loss", 1))
	policer.Back, policer.Limit = []link.Config{{Delay: delay}}, "100 / 0"
	jitter := over("jitter-15ms", "jitter sd 15 ms", link.Config{Capacity: link.Constant(m), Jitter: link.Jitter{Deviation: 15 * ms}}, share(95, 60)...)
	jitter.Limit = "sd"
	slots := overProfile("slots-40ms", "40 ms radio slots", "slots", share(95, 60)...)
	slots.Back, slots.Limit = []link.Config{{Delay: delay}}, "slot"
	return []Scenario{variable, drop, outage, handover, policer, jitter, slots}
}

// lossRows are links that lose by themselves.
func lossRows() []Scenario {
	lossy := func(name, title, limit string, loss link.Loss, utilization float64) Scenario {
		s := over(name, title, link.Config{Capacity: link.Constant(units.Mbps), Loss: loss}, share(utilization, 50)...)
		s.Limit = limit
		return s
	}
	return []Scenario{
		lossy("loss-5", "loss 5 % on 1 M", "95", link.Loss{Random: 0.05}, 90),
		lossy("loss-10", "loss 10 %", "90", link.Loss{Random: 0.10}, 83),
		lossy("loss-20", "loss 20 %", "80", link.Loss{Random: 0.20}, 72),
		lossy("loss-40", "loss 40 %", "60", link.Loss{Random: 0.40}, 50),
		lossy("loss-bursts", "burst loss 4.5 % (Gilbert-Elliott) on 1 M", "95.5", link.Loss{Bursts: profile.BurstLoss}, 89),
	}
}

// competingRows are links shared with one TCP transfer.
func competingRows() []Scenario {
	row := func(name string, r units.Rate, depth time.Duration, t TCP) Scenario {
		s := over(name, "one TCP", link.Config{Capacity: link.Constant(r), Queue: link.Queue{Delay: depth}},
			least("utilization", 40), most("utilization", 60), least(metricVoice, 50))
		s.Flows = []Flow{{Media: Media{Perfect: true, Voice: 20 * units.Kbps}}}
		s.TCP, s.Seeds, s.Limit = []TCP{t}, 10, "50"
		return s
	}
	// Beside BBR a quarter is enough: it takes its share by a model of its own
	// and gives way to nobody.
	bbr := row("tcp-bbr-2m-300ms", 2*units.Mbps, 300*ms, TCP{Law: BBR})
	bbr.Targets = []Target{least("utilization", 25), least(metricVoice, 50)}
	return []Scenario{
		row("tcp-newreno-2m-300ms", 2*units.Mbps, 300*ms, TCP{}),
		row("tcp-cubic-2m-300ms", 2*units.Mbps, 300*ms, TCP{Law: Cubic}),
		bbr,
		row("tcp-newreno-2m-1000ms", 2*units.Mbps, sec, TCP{}),
		row("tcp-cubic-2m-1000ms", 2*units.Mbps, sec, TCP{Law: Cubic}),
		row("tcp-newreno-300k-1000ms", 300*units.Kbps, sec, TCP{}),
		row("tcp-cubic-300k-1000ms", 300*units.Kbps, sec, TCP{Law: Cubic}),
	}
}

// thriftRows are about what is sent without need.
func thriftRows() []Scenario {
	limited := over("app-limited", "app-limited (150 k of 1.5 M for 60 s, then free)", link.Config{Capacity: link.Constant(1500 * units.Kbps)},
		most(metricBoast, 1.2), most(metricResumeQueue, 120), most(metricResume, 2))
	limited.Flows = []Flow{{Media: Media{Perfect: true, Until: 60 * sec, Held: 150 * units.Kbps}}}
	limited.Settled = 70 * sec
	all := []Scenario{limited}
	for _, r := range []struct {
		name string
		rate units.Rate
	}{{"50k", 50}, {"100k", 100}, {"150k", 150}} {
		s := over("feedback-"+r.name, "feedback cost at 50-150 k", link.Config{Capacity: link.Constant(r.rate * units.Kbps)}, most(metricFeedback, 1))
		s.Limit = "about 0.6 (1/s x 80 B)"
		all = append(all, s)
	}
	return all
}

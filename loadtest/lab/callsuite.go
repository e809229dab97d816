package lab

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
)

// near is a network that is no limit: that of who is not behind the link.
func near() []Network {
	return []Network{{Down: link.Config{Delay: 10 * ms}, Up: link.Config{Delay: 10 * ms}}}
}

// behind is a network by its profile's name.
func behind(name string) []Network {
	p, ok := profile.Find(name)
	if !ok {
		panic("lab: no profile " + name) // a mistake in this package
	}
	return []Network{{Down: p.Down, Up: p.Up}}
}

// two are who is far from the link and who is behind it, who joins two seconds
// later: both directions are measured from then on.
func two(networks []Network, change func(far, thin *Person)) *Call {
	far := Person{Name: "far", Networks: near(), Voice: &Voice{}}
	thin := Person{Name: "thin", Networks: networks, Join: 2 * sec, Voice: &Voice{}}
	if change != nil {
		change(&far, &thin)
	}
	return &Call{People: []Person{far, thin}}
}

func callRow(name, title string, d time.Duration, c *Call, targets ...Target) Scenario {
	return Scenario{Suite: "calls", Name: name, Title: title, Duration: d, Call: c, Targets: targets}
}

// each asks the same of several people.
func each(people []string, targets ...Target) (all []Target) {
	for _, p := range people {
		for _, t := range targets {
			t.Metric = p + "." + t.Metric
			all = append(all, t)
		}
	}
	return all
}

// during asks the same of a window.
func during(window string, targets ...Target) (all []Target) {
	for _, t := range targets {
		t.Metric += "." + window
		all = append(all, t)
	}
	return all
}

// both are the people of a call of two.
var both = []string{"thin", "far"}

// calls answers the table of what a person notices, and the room of six links.
func calls() []Scenario {
	return slices.Concat(voiceCalls(), pictureCalls(), groupCalls(), moves(), []Scenario{joinFar()})
}

// voiceCalls are two who talk at the same time without pauses, or by turns.
func voiceCalls() []Scenario {
	gprs := callRow("voice-gprs", "voice on gprs (50 / 20, one-way 300)", 60*sec, two(behind("gprs"), nil), slices.Concat(
		each(both, most("first_sound_s", 3), most("hole", 1), most("unheard", 1)),
		each([]string{"thin"}, most("queue_down_ms_p95", 200), most("queue_up_ms_p95", 200)))...)
	gprs.Limit = "first sound: 5 RTT of 0.6 s"

	urban := two(behind("2g-urban"), nil)
	urban.Windows = []Window{{Name: "later", Spans: []Span{{12 * sec, 90 * sec}}}}
	const share, phone = 0.8, 14 // of the link; what a phone sends while somebody speaks, in kbit/s
	town := callRow("voice-2g-urban", "voice on 2g-urban (35 / 32, RTT 1300)", 90*sec, urban, slices.Concat(
		each(both, most("first_sound_s", 7)),
		each(both, during("later", most("hole", 1), most("unheard", 1), most("gap_ms", 200), most("mos_lost", 0.1))...),
		each([]string{"thin"}, during("later", most("rate_down_kbps", 35*share), most("rate_up_kbps", min(phone, 32*share)))...))...)

	lossy := callRow("voice-wifi-lossy-20", "voice on wifi-lossy 20 % (both directions)", 60*sec, two(behind("wifi-lossy-20"), nil), slices.Concat(
		each(both, most("hole", 3), most("unheard", 3)),
		each([]string{"thin"}, most("rate_down_kbps", 45), most("rate_up_kbps", 45)))...)
	return []Scenario{gprs, town, turns(), lossy}
}

// turns is ten minutes in which one talks at a time, and now and then nobody.
func turns() Scenario {
	const length, cycle = 600 * sec, 60 * sec
	var far, thin []Span
	talk := []Window{{Name: "far-talks"}, {Name: "thin-talks"}, {Name: "silence"}}
	for at := time.Duration(0); at < length; at += cycle {
		far = append(far, Span{at, at + 15*sec})
		thin = append(thin, Span{at + 20*sec, at + 35*sec})
		if at == 0 {
			continue // people are joining
		}
		talk[0].Spans = append(talk[0].Spans, Span{at + 5*sec, at + 15*sec})
		talk[1].Spans = append(talk[1].Spans, Span{at + 25*sec, at + 35*sec})
		talk[2].Spans = append(talk[2].Spans, Span{at + 45*sec, at + 60*sec})
	}
	c := two(behind("2g-rural"), func(f, t *Person) { f.Voice.Turns, t.Voice.Turns = far, thin })
	c.Windows = talk
	return callRow("voice-2g-rural", "voice on 2g-rural (20 / 18, RTT 1300, 2 % loss)", length, c, slices.Concat(
		each(both, most("ended", 0), most("hole", 3), most("unheard", 3)),
		each([]string{"thin"}, most("rate_down_kbps.far-talks", 16), most("rate_up_kbps.thin-talks", 16),
			most("rate_down_kbps.silence", 2), most("rate_up_kbps.silence", 2)))...)
}

// seeing gives both a camera and a screen for the other.
func seeing(f, t *Person) {
	for _, p := range []*Person{f, t} {
		p.Camera, p.Slots = 1280, 1
	}
}

// same is a network alike in both directions, 50 ms one way.
func same(l link.Config) []Network {
	if l.Delay == 0 {
		l.Delay = delay
	}
	l.Queue.Delay = room
	return []Network{{Down: l, Up: l}}
}

// pictureCalls are two who see each other.
func pictureCalls() []Scenario {
	const k = units.Kbps
	edge := behind("edge")
	edge[0].Up.Capacity = link.Constant(200 * k)
	narrow := two(edge, seeing)
	narrow.Windows = []Window{
		{Name: "at-240", Spans: []Span{{15 * sec, 30 * sec}, {65 * sec, 90 * sec}}},
		{Name: "at-120", Spans: []Span{{35 * sec, 60 * sec}, {95 * sec, 120 * sec}}},
		{Name: "later", Spans: []Span{{15 * sec, 120 * sec}}},
	}
	onEdge := callRow("call-edge", "voice + video on edge (240 / 200)", 120*sec, narrow, slices.Concat(
		each(both, most("hole", 1), most("unheard", 1), most("gap_ms", 200)),
		each([]string{"thin"}, during("at-240", least("fps", 12), least("height", 180))...),
		each([]string{"thin"}, during("at-120", most("freeze_s", 1))...),
		each([]string{"far"}, during("later", least("fps", 12), least("height", 180))...))...)

	c := stepped(link.Step{Rate: 1000 * k}, link.Step{At: 30 * sec, Rate: 150 * k}, link.Step{At: 60 * sec, Rate: 1000 * k})
	steps := two(same(link.Config{Capacity: c}), seeing)
	steps.Windows = []Window{
		{Name: "low", Spans: []Span{{32 * sec, 60 * sec}}}, {Name: "return", Spans: []Span{{60 * sec, 100 * sec}}},
	}
	stepRow := callRow("call-1m-150k-1m", "voice + video, 1 M -> 150 k -> 1 M", 100*sec, steps, slices.Concat(
		each(both, most("hole", 1), most("unheard", 1), most("gap_ms", 200), least("fps.low", 5), most("full_picture_s.return", 6)),
		each([]string{"thin"}, during("low", most("queue_down_ms_p95", 250), most("queue_up_ms_p95", 250))...))...)

	out := two(same(link.Config{Capacity: link.Constant(1000 * k), Outages: []link.Outage{{At: 30 * sec, For: 3 * sec}}}), seeing)
	out.Windows = []Window{{Name: "back", Spans: []Span{{33 * sec, 60 * sec}}}}
	outage := callRow("call-outage-3s", "3 s outage", 60*sec, out,
		each(both, during("back", most("voice_back_ms", 300), most("stale_voice_ms", 500), most("picture_back_ms", 1000))...)...)
	silent := two(same(link.Config{Capacity: link.Constant(1000 * k)}), func(f, t *Person) {
		seeing(f, t)
		f.Voice, t.Voice = nil, nil
	})
	silent.Windows = []Window{{Name: "begin", Spans: []Span{{2 * sec, 30 * sec}}}, {Name: "later", Spans: []Span{{10 * sec, 30 * sec}}}}
	noVoice := callRow("call-no-voice", "video alone, 1 M: nobody has a microphone", 30*sec, silent,
		each(both, most("picture_back_ms.begin", 3000), least("fps.later", 12), least("height.later", 180))...)
	return []Scenario{onEdge, stepRow, outage, noVoice}
}

// groupCalls are rooms of six.
func groupCalls() []Scenario {
	const k = units.Kbps
	wide := same(link.Config{Capacity: link.Constant(1000 * k), Delay: 25 * ms})
	c := &Call{Windows: []Window{
		{Name: "before", Spans: []Span{{25 * sec, 60 * sec}}},
		{Name: "after", Spans: []Span{{70 * sec, 120 * sec}}, Against: "before"},
	}}
	var others []string
	for i, name := range []string{"ann", "bob", "cid", "dan", "eve"} {
		p := Person{Name: name, Networks: wide, Join: time.Duration(i) * 500 * ms, Voice: &Voice{}, Camera: 1280, Slots: 9}
		if i > 0 { // one speaks, the others listen
			p.Voice.Turns = []Span{{0, sec}}
		}
		c.People = append(c.People, p)
		others = append(others, name)
	}
	c.People = append(c.People, Person{
		Name: "thin", Networks: behind("gprs"), Join: 60 * sec, Slots: 9, Voice: &Voice{Turns: []Span{{0, sec}}},
	})
	row := callRow("group-of-6", "group of 6, one on gprs, others on 1 M", 120*sec, c, slices.Concat(
		each([]string{"thin"}, most("hole", 1), most("unheard", 1), most("gap_ms", 200)),
		each(others, during("after", least("pictures_kept", 95))...),
		each(others[1:], during("after", most("hole", 1))...))...)
	return []Scenario{row, sixLinks(), lossySatellite(), lossyWayUp()}
}

// sixLinks is a room in which each has another link. Whose way up carries a
// picture shows one; everybody looks at all of them.
func sixLinks() Scenario {
	const length = 150 * sec
	steps := func(first time.Duration) (all []Span) { // each minute
		for at := first; at < length; at += 60 * sec {
			all = append(all, Span{at, at + 25*sec})
		}
		return all
	}
	steady := Window{Name: "steady"}
	for at := 30 * sec; at < length; at += 30 * sec {
		steady.Spans = append(steady.Spans, Span{at + 8*sec, at + 30*sec})
	}
	c := &Call{Windows: []Window{steady, {Name: "rise", Spans: steps(60 * sec)}, {Name: "fall", Spans: steps(30 * sec)}}}
	fast := same(link.Config{Capacity: link.Constant(1000 * units.Kbps)})
	var people []string
	for i, p := range []Person{
		{Name: "fast", Networks: fast, Voice: &Voice{}, Camera: 1280},
		{Name: "gprs", Networks: behind("gprs")}, {Name: "edge", Networks: behind("edge"), Camera: 640},
		{Name: "3g", Networks: behind("3g"), Camera: 640}, {Name: "wifi", Networks: behind("wifi-lossy-10"), Camera: 1280},
		{Name: "satellite", Networks: behind("satellite"), Camera: 1280},
	} {
		p.Slots, p.Join = 9, time.Duration(i)*700*ms
		if p.Voice == nil {
			p.Voice = &Voice{Turns: []Span{{0, sec}}}
		}
		c.People = append(c.People, p)
		people = append(people, p.Name)
	}
	changing := []string{"edge", "3g"}
	return callRow("six-links", "a room of 6: 1 M, gprs, edge, 3g, wifi-lossy 10 %, satellite", length, c, slices.Concat(
		each(people, during("steady", least("of_oracle", 90), most("switches_per_minute", 4))...),
		each(people[1:], most("hole", 1), most("gap_ms", 200)),
		each(changing, most("up_s.rise", 5), most("down_s.fall", 1)))...)
}

// repeatedOnly is for how many of the seconds 20 to 120 of lossySatellite the
// picture stood still while retransmission was the only repair: the median of
// five seeds, in November 2026.
const repeatedOnly = 48.7

// lossySatellite loses a twentieth where asking again takes 600 ms.
func lossySatellite() Scenario {
	networks := behind("satellite")
	networks[0].Down.Loss.Random = 0.05
	c := two(networks, seeing)
	c.Windows = []Window{{Name: "later", Spans: []Span{{20 * sec, 120 * sec}}}}
	return callRow("satellite-loss-5", "satellite with 5 % loss: freezes at most a third of what retransmission alone gives", 120*sec, c,
		each([]string{"thin"}, during("later", most("frozen_s", repeatedOnly/3))...)...)
}

// repeatedOnlyUp is repeatedOnly of lossyWayUp.
const repeatedOnlyUp = 63.4

// lossyWayUp loses as much on the way up: who is seen is behind the link, and
// the publisher and the server repair.
func lossyWayUp() Scenario {
	networks := behind("satellite")
	networks[0].Up.Loss.Random = 0.05
	c := two(networks, seeing)
	c.Windows = []Window{{Name: "later", Spans: []Span{{20 * sec, 120 * sec}}}}
	return callRow("satellite-loss-5-up", "satellite with 5 % loss on the way up: freezes at most a third of what retransmission alone gives", 120*sec, c,
		each([]string{"far"}, during("later", most("frozen_s", repeatedOnlyUp/3))...)...)
}

// moves go from Wi-Fi to a cellular network of 200 ms there and back.
func moves() []Scenario {
	const at = 40 * sec
	cell := behind("3g-slow")[0]
	cell.From = at
	var all []Scenario
	for _, m := range []struct {
		name, title string
		change      Change
		rtts        float64
	}{
		{"address-change-nat", "address change mid-call (Wi-Fi to cellular), NAT rebinding", Rebound, 3},
		{"address-change-restart", "address change mid-call (Wi-Fi to cellular), ICE restart", Restarted, 8},
		{"address-change-continual", "address change mid-call (Wi-Fi to cellular), sockets that are bound to no address", Roamed, 3},
	} {
		cell.Change = m.change
		wifi := same(link.Config{Capacity: link.Constant(1000 * units.Kbps), Delay: 25 * ms})
		c := two(append(wifi, cell), nil)
		c.Windows = []Window{{Name: "moved", Spans: []Span{{at, 70 * sec}}}}
		back := m.rtts * milliseconds(cell.Down.Delay+cell.Up.Delay)
		all = append(all, callRow(m.name, m.title, 70*sec, c, each(both, during("moved", most("fresh_voice_ms", back))...)...))
	}
	return all
}

// joinFar is joining over a link of 1300 ms there and back.
func joinFar() Scenario {
	c := two(behind("2g-urban"), func(_, t *Person) { t.Join, t.Ready = 12*sec, true })
	s := callRow("join-rtt-1300", "join at RTT 1300 ms", 40*sec, c,
		each([]string{"thin"}, most("first_sound_rtts", 5), most("join_signalling_up_kb", 1), most("join_signalling_down_kb", 1))...)
	s.Limit = "signalling, ICE and DTLS, the first packet: 4 RTT"
	return s
}

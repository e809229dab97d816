package lab

import (
	"time"

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
	return Scenario{Suite: "calls", Name: name, Title: title, Duration: d, Seeds: 1, Call: c, Targets: targets}
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

// calls answers the table of what a person notices.
func calls() []Scenario {
	both := []string{"thin", "far"}
	gprs := callRow("voice-gprs", "voice on gprs (50 / 20, one-way 300)", 60*sec, two(behind("gprs"), nil),
		append(each(both, most("first_sound_s", 3), most("hole", 1), most("unheard", 1)),
			most("thin.queue_down_ms_p95", 200), most("thin.queue_up_ms_p95", 200))...)
	gprs.Limit = "first sound: 5 RTT of 0.6 s"
	all := []Scenario{gprs}
	for _, c := range []struct{ name, title string }{
		{"voice-2g-urban", "voice on 2g-urban (35 / 32, RTT 1300)"},
		{"voice-2g-rural", "voice on 2g-rural (20 / 18, RTT 1300, 2 % loss)"},
		{"voice-wifi-lossy-20", "voice on wifi-lossy 20 % (both directions)"},
		{"call-edge", "voice + video on edge (240 / 200)"},
		{"call-1m-150k-1m", "voice + video, 1 M -> 150 k -> 1 M"},
		{"call-outage-3s", "3 s outage"},
		{"group-of-6", "group of 6, one on gprs, others on 1 M"},
		{"address-change", "address change mid-call (Wi-Fi to cellular)"},
		{"join-rtt-1300", "join at RTT 1300 ms"},
	} {
		all = append(all, Scenario{
			Suite: "calls", Name: c.name, Title: c.title, Seeds: 1,
			NotBuilt: "the scenario is not written yet",
		})
	}
	return all
}

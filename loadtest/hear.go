package loadtest

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// playouts is what each client has heard so far.
func (f *fleet) playouts() map[*member]client.Playout {
	f.mu.Lock()
	joined := f.joined
	f.mu.Unlock()
	all := make(map[*member]client.Playout, len(joined))
	for _, m := range joined {
		all[m] = m.call.Stats().Playout
	}
	return all
}

// heard adds up what was heard between two times.
func heard(before, after map[*member]client.Playout) (v VoiceHeard) {
	var sum client.Playout
	for m, now := range after {
		was := before[m]
		p := client.Playout{
			Played: now.Played - was.Played, Repaired: now.Repaired - was.Repaired,
			Concealed: now.Concealed - was.Concealed, Starved: now.Starved - was.Starved,
		}
		if p.Played+p.Repaired > 0 {
			v.Listeners++
		}
		v.WorstHoleRatio = max(v.WorstHoleRatio, p.Hole())
		v.LongestGapMS = max(v.LongestGapMS, milliseconds(now.LongestGap))
		v.DelayMS = max(v.DelayMS, milliseconds(now.Delay))
		v.Recovered += now.Recovered - was.Recovered
		v.Late += now.Late - was.Late
		sum.Played += p.Played
		sum.Repaired += p.Repaired
		sum.Concealed += p.Concealed
		sum.Starved += p.Starved
	}
	v.PlayedS, v.HoleRatio = (sum.Played + sum.Repaired).Seconds(), sum.Hole()
	return v
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

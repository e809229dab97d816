package e2e

import (
	"testing"
	"time"
)

// sendsRate answers what the page's camera sends, in kbit/s, over a while.
func (p *page) sendsRate(d time.Duration) float64 {
	p.t.Helper()
	bytes := func() (sum float64) {
		layers, err := evaluate[[]sentLayer](p, encodingsScript)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, l := range layers {
			sum += l.Bytes
		}
		return sum
	}
	before, begin := bytes(), time.Now()
	time.Sleep(d)
	return (bytes() - before) * 8 / 1000 / time.Since(begin).Seconds()
}

// Layers inside one stream: what is looked at small comes small, and what nobody
// looks at is not sent.
func TestScalableLayers(t *testing.T) {
	for _, query := range []string{"codec=VP9&svc=L3T3_KEY", "codec=AV1&svc=L3T3"} {
		t.Run(query, func(t *testing.T) {
			s := startServer(t, nil)
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			s.call(ann, "svc", "video=1280x720", query)
			s.call(bob, "svc", "video=0", "slots=1")
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
			bob.run(samplerScript, me)
			look := func(width, height int) {
				bob.run(`rivulet.call.view([{ track: camera.id, width: %d, height: %d, priority: 5 }])`, width, height)
			}
			shows := func(limit time.Duration, why string, fits func(width int) bool) state {
				t.Helper()
				return bob.wait(limit, why, func(s state) bool { return fits(s.from(me).Width) })
			}
			look(1280, 720)
			shows(20*time.Second, "the large layer is shown", func(w int) bool { return w == 1280 })
			t.Log(s.dump())
			large := ann.sendsRate(time.Second)
			look(320, 180)
			shows(5*time.Second, "the small layer is shown", func(w int) bool { return w == 320 })
			// Nobody is granted the larger ones: ann's encoder leaves them out.
			ann.sends(10*time.Second, "one layer inside is on", func(l []sentLayer) bool { return l[0].Mode == "L1T3" })
			time.Sleep(500 * time.Millisecond) // its key frame
			small := ann.sendsRate(time.Second)
			look(1280, 720)
			took := ann.sends(time.Second, "all layers inside are on again", func(l []sentLayer) bool { return l[0].Mode[:2] == "L3" })
			again := ann.sendsRate(time.Second - took)
			before := shows(5*time.Second, "the large layer is shown again", func(w int) bool { return w == 1280 })
			t.Logf("ann sends %.0f kbit/s, %.0f while a small picture is looked at, %.0f in the rest of the first second after it", large, small, again)
			if small > 250 || again < 2*small {
				t.Error("want at most 250 kbit/s, and twice as much within a second")
			}
			bob.goesOn(5*time.Second, before)
			judgeSwitches(t, bob.samples())
		})
	}
}

package e2e

import (
	"testing"
	"time"
)

// Layers inside one stream: what is looked at small comes small.
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
			look(320, 180)
			shows(5*time.Second, "the small layer is shown", func(w int) bool { return w == 320 })
			look(1280, 720)
			before := shows(5*time.Second, "the large layer is shown again", func(w int) bool { return w == 1280 })
			bob.goesOn(5*time.Second, before)
			judgeSwitches(t, bob.samples())
		})
	}
}

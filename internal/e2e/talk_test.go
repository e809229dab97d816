package e2e

import (
	"testing"
	"time"
)

func TestTwoPagesTalkAndAThirdComesAndGoes(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "talk", "video=1280x720", "slots=1")
	s.call(bob, "talk", "video=1280x720")
	before := ann.talking(1)
	bob.talking(1)

	// A browser's own estimate grows over some seconds until it sends all layers.
	ann.wait(30*time.Second, "three layers are sent", func(s state) bool { return len(s.layers()) == 3 })
	awaitUplinks(t, s, "talk", before.Me, "q", "h", "f")

	carol := openTab(t, "carol")
	s.call(carol, "talk", "video=640x360")
	third := carol.talking(2)
	with := ann.wait(joinLimit, "carol is heard of", func(s state) bool { return s.Participants == 2 })
	seen := with.from(before.Others[0])

	// ann has one video slot: it changes hands when she asks for carol.
	ann.run(`rivulet.call.pin([...rivulet.call.participants.get(%q).tracks.values()].find((t) => t.source === "camera"))`, third.Me)
	with = ann.wait(joinLimit, "the slot changes hands to carol and goes on", func(s state) bool {
		now := s.from(third.Me)
		return now.SSRC == seen.SSRC && now.Decoded > seen.Decoded+30 && now.Width <= 640
	})
	carol.run(`rivulet.call.leave()`)
	after := ann.wait(joinLimit, "carol left and the slot is bob's again", func(s state) bool {
		return s.Participants == 1 && s.from(before.Others[0]).Decoded > with.decoded()+30
	})
	if n := len(after.Received); n != len(with.Received) {
		t.Errorf("ann has %d receiving streams, had %d", n, len(with.Received))
	}
	for _, p := range []*page{ann, bob} {
		// The offer and the answer of the join, and nothing since.
		if now := p.state(); now.Counters.SDP != 2 || now.Counters.Rejoins+now.Counters.Resumes+now.Counters.ICERestarts != 0 {
			t.Errorf("%s negotiated anew: %+v", p.name, now.Counters)
		}
	}
}

// awaitUplinks waits until the server receives these layers of a participant's camera.
func awaitUplinks(t *testing.T, s *server, room, participant string, rids ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		arriving := map[string]bool{}
		snapshot, _ := s.room(room)
		for _, p := range snapshot.Participants {
			for _, u := range p.Uplinks {
				if p.ID == participant && u.Codec == "VP8" && u.Bytes > 10_000 {
					arriving[u.RID] = true
				}
			}
		}
		missing := 0
		for _, rid := range rids {
			if !arriving[rid] {
				missing++
			}
		}
		if missing == 0 && len(arriving) == len(rids) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server receives the layers %v, want %v", arriving, rids)
		}
		time.Sleep(pollEvery)
	}
}

func TestEveryCodecPasses(t *testing.T) {
	s := startServer(t, nil)
	for _, codec := range []string{"VP9", "AV1", "H264"} {
		t.Run(codec, func(t *testing.T) {
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			s.call(ann, codec, "video=640x360", "codec="+codec)
			s.call(bob, codec, "video=0")
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			got := bob.wait(joinLimit, "frames are decoded", func(s state) bool { return s.from(me).Decoded > 60 }).from(me)
			if want := "video/" + codec; got.Codec != want {
				t.Errorf("the stream is %s, want %s", got.Codec, want)
			}
			if got.PLIs > 2 || got.Width == 0 {
				t.Errorf("the picture was asked for anew %d times, is %d pixels wide: %+v", got.PLIs, got.Width, got)
			}
		})
	}
}

package e2e

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

func TestTwoPagesTalkAndAThirdComesAndGoes(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "talk", "video=1280x720", "slots=1")
	s.call(bob, "talk", "video=1280x720")
	before := ann.talking(1)
	bob.talking(1)

	// All are wanted: bob's tile alone is smaller than the largest, which then ends after
	// two seconds, however little of it has come.
	bob.run(`rivulet.call.view([{ track: [...rivulet.call.participants.get(%q).tracks.values()].find((t) => t.source === "camera").id, width: 1280, height: 720, priority: 5 }])`, before.Me)
	// A browser's own estimate grows over some seconds until it sends all layers.
	ann.wait(30*time.Second, "three layers are sent", func(s state) bool { return len(s.layers()) == 3 })
	awaitUplinks(t, s, "talk", before.Me, "VP8", "q", "h", "f")

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
func awaitUplinks(t *testing.T, s *server, room, participant, codec string, rids ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		arriving := map[string]bool{}
		snapshot, _ := s.room(room)
		for _, p := range snapshot.Participants {
			for _, u := range p.Uplinks {
				if p.ID == participant && u.Codec == codec && u.Bytes > 10_000 {
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

// Three pages that each send another codec and each decode the two others.
func TestEveryCodecPasses(t *testing.T) {
	s := startServer(t, nil)
	codecs := []string{"VP9", "AV1", "H264"}
	var pages []*page
	for _, codec := range codecs {
		p := openTab(t, codec)
		pages = append(pages, p)
		s.call(p, "codecs", "video=320x180", "codec="+codec)
	}
	ids := map[string]string{}
	for _, p := range pages {
		ids[p.name] = p.talking(len(codecs) - 1).Me
	}
	for _, p := range pages {
		for codec, id := range ids {
			if codec == p.name {
				continue
			}
			got := p.wait(joinLimit, codec+" is decoded", func(s state) bool { return s.from(id).Decoded > 40 }).from(id)
			if got.Codec != "video/"+codec || got.Width == 0 {
				t.Errorf("%s receives %+v, want %s", p.name, got, codec)
			}
			// Whoever was alone listens for pictures late, and gets its first key frame nevertheless.
			if got.PLIs > 1 {
				t.Errorf("%s asked %d times for a key frame of %s", p.name, got.PLIs, codec)
			}
		}
	}
}

// A camera sends three sizes whatever its codec, and what is looked at comes.
func TestEveryCodecHasThreeSizes(t *testing.T) {
	testenv.Long(t)
	for _, codec := range []string{"VP9", "AV1", "H264"} {
		t.Run(codec, func(t *testing.T) {
			s := startServer(t, nil)
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			s.call(ann, "sizes", "audio=0", "video=1280x720", "codec="+codec)
			s.call(bob, "sizes", "audio=0", "video=0", "slots=1")
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
			bob.run(samplerScript, me)
			for _, width := range []int{1280, 320, 640} {
				bob.run(`rivulet.call.view([{ track: camera.id, width: %d, height: %d, priority: 5 }])`, width, width*9/16)
				bob.wait(10*time.Second, "what is looked at is shown", func(s state) bool { return s.from(me).Width == width })
			}
			awaitUplinks(t, s, "sizes", me, codec, "q", "h", "f")
			judgeSwitches(t, bob.samples())
		})
	}
}

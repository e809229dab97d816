package e2e

import (
	"strings"
	"testing"
	"time"
)

// What is published, muted and ended during a call costs no SDP.
func TestPublishingLaterNeedsNoNegotiation(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "later", "audio=0", "video=0")
	s.call(bob, "later", "audio=0", "video=0")
	me := ann.wait(joinLimit, "ann sees bob", func(s state) bool { return s.Call == "connected" && s.Participants == 1 }).Me
	bob.wait(joinLimit, "bob sees ann", func(s state) bool { return s.Call == "connected" && s.Participants == 1 })

	ann.run(`(async () => {
		const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
		await rivulet.call.publish("microphone", stream.getAudioTracks()[0]);
		await rivulet.call.publish("camera", stream.getVideoTracks()[0]);
	})()`)
	seen := bob.wait(joinLimit, "bob sees and hears ann", func(s state) bool { return s.from(me).Decoded > 10 && s.energy() > 0 })

	// What a page without pictures takes its path for bounds it no more.
	ann.wait(20*time.Second, "the path is found to carry pictures", func(s state) bool { return len(s.Pairs) > 0 && s.Pairs[0].Available > 400_000 })
	if sdp := ann.sound().RemoteSDP; strings.Contains(sdp, "b=AS") || !strings.Contains(sdp, " rtx/90000") {
		t.Errorf("what bounds a page without pictures is still there:\n%s", sdp)
	}

	ann.run(`rivulet.call.mute("camera", true)`)
	still := bob.wait(10*time.Second, "the picture stops", func(s state) bool {
		now := s.from(me).Decoded
		defer func() { seen = s }()
		return now == seen.from(me).Decoded
	})
	ann.run(`rivulet.call.mute("camera", false)`)
	bob.wait(10*time.Second, "the picture goes on", func(s state) bool { return s.from(me).Decoded > still.from(me).Decoded+10 })

	ann.run(`(() => {
		const canvas = document.createElement("canvas");
		Object.assign(canvas, { width: 800, height: 450 });
		const context = canvas.getContext("2d");
		let n = 0;
		window.painter = setInterval(() => {
			context.fillStyle = "hsl(" + (n++ %% 360) + " 80%% 50%%)";
			context.fillRect(0, 0, 800, 450);
			context.fillStyle = "black";
			context.fillText("slide " + n, 100, 100);
		}, 100);
		return rivulet.call.publish("screen", canvas.captureStream(10).getVideoTracks()[0]);
	})()`)
	bob.wait(joinLimit, "bob sees ann's screen beside her camera", func(s state) bool {
		streams := map[int]bool{}
		for _, r := range s.Received {
			if r.Kind == "video" && r.Participant == me && r.Decoded > 10 {
				streams[r.Width] = true
			}
		}
		return streams[800] && len(streams) == 2
	})
	ann.run(`rivulet.call.unpublish("screen")`)
	last := bob.wait(10*time.Second, "the screen is gone, the camera stays", func(s state) bool {
		n := 0
		for _, r := range s.Received {
			if r.Kind == "video" && r.Participant == me {
				n++
			}
		}
		return n == 1
	})
	bob.goesOn(10*time.Second, last)
	for _, p := range []*page{ann, bob} {
		if c := p.state().Counters; c.SDP != 2 {
			t.Errorf("%s negotiated anew: %+v", p.name, c)
		}
	}
}

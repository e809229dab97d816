package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// sound is what a page knows of what it hears and says.
type sound struct {
	Packets, Sent                       float64 // received and sent, since the beginning
	Samples, Concealed, Silent          float64
	BytesSent                           float64
	NACKs                               float64
	LocalSDP, RemoteSDP, RemoteReceived string
}

const soundScript = `(async () => {
	const pc = rivulet.call.pc, sum = { Packets: 0, Sent: 0, Samples: 0, Concealed: 0, Silent: 0, BytesSent: 0, NACKs: 0 };
	(await pc.getStats()).forEach((s) => {
		if (s.type === "inbound-rtp" && s.kind === "audio") {
			sum.Packets += s.packetsReceived ?? 0;
			sum.Samples += s.totalSamplesReceived ?? 0;
			sum.Concealed += s.concealedSamples ?? 0;
			sum.Silent += s.silentConcealedSamples ?? 0;
			sum.NACKs += s.nackCount ?? 0;
		}
		if (s.type === "outbound-rtp" && s.kind === "audio") {
			sum.Sent += s.packetsSent ?? 0;
			sum.BytesSent += (s.bytesSent ?? 0) + (s.headerBytesSent ?? 0);
		}
	});
	sum.LocalSDP = pc.localDescription.sdp;
	sum.RemoteSDP = pc.remoteDescription.sdp;
	return JSON.stringify(sum);
})()`

func (p *page) sound() (s sound) {
	p.t.Helper()
	text, err := evaluate[string](p, soundScript)
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	if err != nil {
		p.t.Fatalf("%s: read what is heard: %v", p.name, err)
	}
	return s
}

// A page begins thin, as the answer asks, and sends as it is asked later: without
// any SDP on the wire. Lost packets of sound may be asked for.
func TestPageEncodesItsVoiceAsAsked(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "voice", "video=0")
	ann.wait(joinLimit, "the call is there", func(s state) bool { return s.Call == "connected" })
	first := ann.sound()
	for _, want := range []string{"a=ptime:60", "maxaveragebitrate=12000", "usedtx=1", "a=rtcp-fb:111 nack"} {
		if !strings.Contains(first.RemoteSDP, want) {
			t.Errorf("the first answer lacks %q", want)
		}
	}
	if !strings.Contains(first.LocalSDP, "a=rtcp-fb:111 nack") {
		t.Error("the page offers no NACK for sound")
	}
	s.call(bob, "voice", "video=0")
	ann.hears()
	bob.hears()
	ann.until(20*time.Second, "the microphone is asked for the best", func() bool {
		return strings.Contains(ann.sound().RemoteSDP, "a=ptime:20\r\n") && strings.Contains(ann.sound().RemoteSDP, "maxaveragebitrate=32000")
	})
	before := ann.sound()
	begin := time.Now()
	ann.until(10*time.Second, "a few seconds pass", func() bool { return time.Since(begin) > 4*time.Second })
	after, elapsed := ann.sound(), time.Since(begin).Seconds()
	packets := (after.Sent - before.Sent) / elapsed
	t.Logf("%.1f packets a second, %.1f kbit/s without IP and UDP", packets, (after.BytesSent-before.BytesSent)*8/1000/elapsed)
	if packets < 40 || packets > 60 {
		t.Errorf("%.1f packets a second, want 50", packets)
	}
	if c := ann.state().Counters; c.SDP != 2 || c.Rejoins+c.ICERestarts != 0 {
		t.Errorf("it negotiated with the server: %+v", c)
	}
}

// Voice modes change every two seconds, and nobody hears it.
func TestVoiceModesChangeUnheard(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "modes", "video=0")
	s.call(bob, "modes", "video=0")
	ann.hears()
	bob.hears()
	ann.until(20*time.Second, "the microphone is asked for the best", func() bool {
		return strings.Contains(ann.sound().RemoteSDP, "a=ptime:20\r\n")
	})
	bob.until(20*time.Second, "the mode is 20 ms", func() bool { return s.voiceMode("modes", bob) == "published" })
	before := bob.sound()
	begin := time.Now()
	seen := map[string]int{}
	for i := range 8 {
		mode := []string{"low", "auto"}[i%2]
		bob.run(`rivulet.call.setDataMode(%q)`, mode)
		at := time.Now()
		bob.until(5*time.Second, "two seconds pass", func() bool { return time.Since(at) > 2*time.Second })
		seen[s.voiceMode("modes", bob)]++
	}
	after := bob.sound()
	samples, concealed := after.Samples-before.Samples, after.Concealed-before.Concealed
	t.Logf("%.0f packets in %.0f s, %.2f %% of the sound concealed, modes %v",
		after.Packets-before.Packets, time.Since(begin).Seconds(), 100*concealed/samples, seen)
	if concealed > 0.01*samples {
		t.Errorf("%.2f %% of the sound was concealed", 100*concealed/samples)
	}
	if seen["60ms"] < 3 || seen["published"] < 3 {
		t.Errorf("the modes were %v, want 60 ms and 20 ms in turn", seen)
	}
}

// voiceMode is how the voice is sent that a page hears.
func (s *server) voiceMode(room string, p *page) string {
	snapshot, _ := s.room(room)
	me := p.state().Me
	for _, participant := range snapshot.Participants {
		if participant.ID != me || participant.Path == nil {
			continue
		}
		for _, slot := range participant.Path.Slots {
			if slot.Source != 0 && slot.Voice.Rate > 0 {
				return slot.Voice.Mode.String()
			}
		}
	}
	return ""
}

// hears waits until the page hears somebody.
func (p *page) hears() {
	p.t.Helper()
	p.wait(joinLimit, "somebody is heard", func(s state) bool { return s.Call == "connected" && s.energy() > 0 })
}

// until waits until something holds.
func (p *page) until(limit time.Duration, what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			p.report()
			p.t.Fatalf("%s: waited %v in vain: %s", p.name, limit, what)
		}
	}
}

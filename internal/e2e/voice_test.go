package e2e

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
	"github.com/rivulet-rtc/rivulet/sfu"
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

// What a page wants to spend changes every two seconds, and nobody hears it.
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
	// What this machine conceals by itself: it is shared.
	quiet, still := bob.sound(), time.Now()
	bob.until(10*time.Second, "six seconds without a change pass", func() bool { return time.Since(still) > 6*time.Second })
	before := bob.sound()
	share := (before.Concealed - quiet.Concealed) / (before.Samples - quiet.Samples)
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
	t.Logf("%.0f packets in %.0f s, %.2f %% of the sound concealed, %.2f %% before, modes %v",
		after.Packets-before.Packets, time.Since(begin).Seconds(), 100*concealed/samples, 100*share, seen)
	if concealed > (0.01+share)*samples {
		t.Errorf("%.2f %% of the sound was concealed, %.2f %% without changes", 100*concealed/samples, 100*share)
	}
	// Every growth of packets is heard a little, so they do not shrink at once.
	if seen["60ms"] < 4 || seen["60ms"]+seen["published"]+seen["40ms"] != 8 {
		t.Errorf("the modes were %v, want 60 ms mostly", seen)
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

// Two pages talk, one of them on gprs (50 / 20 kbit/s, 300 ms each way). Both
// understand each other, the link is not drowned, and the page's data counter
// says what really crossed the link; in the end both are silent, and that costs
// little.
func TestPagesTalkOverGPRS(t *testing.T) {
	s := startServer(t, func(cfg *sfu.Config) { cfg.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")} }) // checks of others do not cross the link
	network, ok := profile.Find("gprs")
	if !ok {
		t.Fatal("no profile gprs")
	}
	link := startLink(t, s, emulate.Links{Up: network.Up, Down: network.Down})
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "gprs", "video=0")
	ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" })
	bob.behind(s.ports.Media, link.port)
	bob.before(signalledScript)
	bob.knows(600 * time.Millisecond)
	link.start()
	s.call(bob, "gprs", "video=0", "ice=udp")
	ann.hears()
	bob.hears()
	pass := func(d time.Duration) {
		began := time.Now()
		bob.until(d+10*time.Second, "some seconds pass", func() bool { return time.Since(began) > d })
	}
	pass(7 * time.Second)
	settled := len(link.seconds.soFar())
	before := [2]sound{ann.sound(), bob.sound()}
	pass(12 * time.Second)
	after := [2]sound{ann.sound(), bob.sound()}
	mode := s.voiceMode("gprs", bob)
	talk := link.seconds.soFar()
	for _, p := range []*page{ann, bob} {
		p.run(`rivulet.call.mute("microphone", true)`)
	}
	pass(3 * time.Second) // what was said has come
	idle := measureIdle(t, link, bob, 10*time.Second)
	counted, err := evaluate[[]float64](bob, `rivulet.call.measure().then(() => [rivulet.call.statistics.bytesSent, rivulet.call.statistics.bytesReceived])`)
	if err != nil {
		t.Fatal(err)
	}
	report := link.stop()
	if !report.Valid {
		t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
	}
	t.Logf("up %.1f kbit/s with a queue of %.0f ms, down %.1f with %.0f, mode %s; counted %.0f and %.0f bytes, crossed %d and %d",
		report.Up.RateKbps, report.Up.QueueP95, report.Down.RateKbps, report.Down.QueueP95, mode,
		counted[0], counted[1], report.Up.OfferedBytes, report.Down.Bytes)
	t.Logf("up %v, down %v", report.Up.Kinds, report.Down.Kinds)
	for i, name := range []string{"ann", "bob"} {
		hole := (after[i].Concealed - before[i].Concealed) / (after[i].Samples - before[i].Samples)
		t.Logf("%s: %.2f %% of the sound concealed", name, 100*hole)
		if hole > 0.03 {
			t.Errorf("%s: %.1f %% of the sound was concealed", name, 100*hole)
		}
	}
	if report.Down.QueueP95 > 1000 || len(report.Down.Dropped) > 0 {
		t.Errorf("the link drowned: %+v", report.Down)
	}
	judgeUplink(t, talk, settled, report.Up)
	idle.judge(t)
	if n := report.Up.Kinds["RTCP 201"].Packets; n > 60 {
		t.Errorf("%d receiver reports went up: the browser reports on streams that do not come", n)
	}
	if d := counted[0]/float64(report.Up.OfferedBytes) - 1; d < -0.02 || d > 0.02 {
		t.Errorf("the page counts %.0f bytes of %d, %.1f %% off", counted[0], report.Up.OfferedBytes, 100*d)
	}
	if d := counted[1]/float64(report.Down.Bytes) - 1; d < -0.02 || d > 0.02 {
		t.Errorf("the page counts %.0f bytes of %d, %.1f %% off", counted[1], report.Down.Bytes, 100*d)
	}
}

// judgeUplink holds the way up of a call to little of a queue: while it is joined,
// and at most 200 ms in 19 of 20 looks once it is settled.
func judgeUplink(t *testing.T, talk []emulate.Progress, settled int, whole emulate.Way) {
	t.Helper()
	var queues []time.Duration
	for i, p := range talk {
		if i < 12 {
			t.Logf("%d s: %.1f kbit/s, %v of queue, %v", i+1, float64(p.Up.Rate)/1000, p.Up.Queue.Round(time.Millisecond), p.Up.Kinds)
		}
		if i >= settled {
			queues = append(queues, p.Up.Queue)
		}
	}
	slices.Sort(queues)
	if len(queues) < 10 {
		t.Fatalf("the queue was looked at %d times", len(queues))
	}
	if p95 := queues[len(queues)*95/100-1]; p95 > 200*time.Millisecond {
		t.Errorf("the way up has a queue of %v once the call is settled, at most 200 ms are wanted: %v", p95, queues)
	}
	if whole.QueueP95 > 250 || len(whole.Dropped) > 0 {
		t.Errorf("the way up drowned while the call was joined: %+v", whole)
	}
	if n := whole.Kinds["DTLS"].Bytes; n == 0 || n > 1500 {
		t.Errorf("%d bytes of DTLS went up: a page on a far path waits for the server's hello", n)
	}
	if n := whole.Kinds["RTP 97"].Packets; n > 0 {
		t.Errorf("%d packets of padding went up, of a page that shows no picture", n)
	}
}

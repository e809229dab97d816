package e2e

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
	"github.com/rivulet-rtc/rivulet/sfu"
)

var voiceTable = flag.String("voicetable", "", "measure two pages that talk over thin links, and write the rows into this file, between its markers")

const (
	tableBegin, tableEnd = "<!-- TestVoiceTable: begin -->\n", "<!-- TestVoiceTable: end -->\n"
	tableHead            = "| link | voice | first sound s | hole %: thin, far | gap ms: thin, far | buffer ms: thin, far | MOS: thin, far | kbit/s down, up | queue p95 ms down, up |\n" +
		"|---|---|---|---|---|---|---|---|---|\n"
)

// voiceLinks are those of the table, in its order.
var voiceLinks = []string{"gprs", "2g-urban", "2g-rural", "wifi-lossy-20"}

// TestVoiceTable measures what docs/measurements/voice.md says of Chromium:
//
//	go test ./internal/e2e -run VoiceTable -voicetable ../../docs/measurements/voice.md
//
// A row is 15 s to settle and 30 s of talk both ways; one can be run alone
// (-run VoiceTable/gprs/adapted) and replaces its own.
func TestVoiceTable(t *testing.T) {
	if *voiceTable == "" {
		t.Skip("takes seven minutes and writes a file: give it -voicetable FILE")
	}
	for _, name := range voiceLinks {
		for _, plain := range []bool{false, true} {
			kind := map[bool]string{false: "adapted", true: "plain"}[plain]
			t.Run(name+"/"+kind, func(t *testing.T) {
				row := measureVoice(t, name, plain)
				t.Log(row)
				if err := putRow(*voiceTable, "| "+name+" | "+kind+" |", row); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// listening follows what one page hears.
type listening struct {
	page            *page
	at, before      sound
	run, longest    time.Duration
	lastLook, since time.Time
}

// look takes note of the time since the last look as a gap when most of it was
// concealed.
func (l *listening) look(now time.Time) {
	s := l.page.sound()
	if samples := s.Samples - l.at.Samples; samples > 0 {
		if s.Concealed-l.at.Concealed > samples/2 {
			l.run += now.Sub(l.lastLook)
			l.longest = max(l.longest, l.run)
		} else {
			l.run = 0
		}
	}
	l.at, l.lastLook = s, now
}

func (l *listening) begin(now time.Time) {
	l.before = l.page.sound()
	l.at, l.lastLook, l.since = l.before, now, now
}

func (l *listening) hole() float64 {
	return 100 * (l.at.Concealed - l.before.Concealed) / max(1, l.at.Samples-l.before.Samples)
}

// measureVoice runs a call of two pages, one of them behind a link.
func measureVoice(t *testing.T, name string, plain bool) string {
	s := startServer(t, func(cfg *sfu.Config) {
		cfg.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		cfg.PlainVoice = plain
	})
	network, ok := profile.Find(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	link := startLink(t, s, emulate.Links{Up: network.Up, Down: network.Down})
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "table", "video=0")
	ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" })
	bob.behind(s.ports.Media, link.port)
	bob.knows(network.Up.Delay + network.Down.Delay)
	link.start()
	begun := time.Now()
	s.call(bob, "table", "video=0", "ice=udp")
	first := "-"
	settled := begun.Add(15 * time.Second)
	bob.until(20*time.Second, "fifteen seconds pass", func() bool {
		if first == "-" && bob.state().energy() > 0 {
			first = fmt.Sprintf("%.1f", time.Since(begun).Seconds())
		}
		return time.Now().After(settled)
	})
	thin, far := &listening{page: bob}, &listening{page: ann}
	thin.begin(time.Now())
	far.begin(time.Now())
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		thin.look(time.Now())
		far.look(time.Now())
	}
	buffers := [2]float64{bob.buffer(), ann.buffer()}
	scores := [2]string{s.heardScore("table", bob), s.heardScore("table", ann)}
	report := link.stop()
	if !report.Valid {
		t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
	}
	t.Logf("up %v, down %v", report.Up.Kinds, report.Down.Kinds)
	return fmt.Sprintf("%s | %.1f, %.1f | %d, %d | %.0f, %.0f | %s, %s | %.1f, %.1f | %.0f, %.0f |\n", first,
		thin.hole(), far.hole(), thin.longest.Milliseconds(), far.longest.Milliseconds(), buffers[0], buffers[1], scores[0], scores[1],
		report.Down.RateKbps, report.Up.RateKbps, report.Down.QueueP95, report.Up.QueueP95)
}

// buffer is the delay of a page's jitter buffer in the last seconds.
func (p *page) buffer() float64 {
	p.t.Helper()
	ms, err := evaluate[float64](p, `rivulet.call.measure().then(() => rivulet.call.statistics.audio.bufferDelay)`)
	if err != nil {
		p.t.Fatalf("%s: read the buffer's delay: %v", p.name, err)
	}
	return ms
}

// heardScore is the worse of the two legs of the voice that a page hears.
func (s *server) heardScore(room string, p *page) string {
	snapshot, _ := s.room(room)
	me := p.state().Me
	var worst *sfu.Hearing
	take := func(h *sfu.Hearing) {
		if h != nil && (worst == nil || h.MOS < worst.MOS) {
			worst = h
		}
	}
	for _, one := range snapshot.Participants {
		if one.ID != me {
			take(one.Said)
			continue
		}
		for _, slot := range one.Slots {
			take(slot.Heard)
		}
	}
	if worst == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %s", worst.MOS, worst.Scale)
}

// putRow puts a row into the table of a file, in the place of the one with the
// same beginning, and the rows in order.
func putRow(file, key, row string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, tableBegin, tableEnd)
	}
	rows := map[string]string{key: key + " " + row}
	for _, line := range strings.SplitAfter(table, "\n") {
		if begin := regexp.MustCompile(`^\| \S+ \| \S+ \|`).FindString(line); begin != "" && begin != key {
			rows[begin] = line
		}
	}
	text := tableHead
	for _, name := range voiceLinks {
		for _, kind := range []string{"adapted", "plain"} {
			text += rows["| "+name+" | "+kind+" |"]
		}
	}
	return os.WriteFile(file, []byte(before+tableBegin+text+tableEnd+after), 0o644)
}

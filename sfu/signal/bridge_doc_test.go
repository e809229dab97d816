package signal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// everyEvent lists the closed list of events by their names on the wire.
func everyEvent(t *testing.T) (names []string) {
	t.Helper()
	for _, message := range documented {
		switch e := message.(type) {
		case *signal.CallEvent:
			for _, kind := range signal.CallEventKinds() {
				names = append(names, "call."+string(kind))
			}
		case *signal.RoomEvent:
			for _, kind := range []signal.RoomEventKind{signal.RoomOpened, signal.RoomJoined, signal.RoomParted, signal.RoomClosed} {
				names = append(names, "room."+string(kind))
			}
		case signal.EventBody:
			names = append(names, e.EventType())
		}
	}
	for _, name := range names {
		if signal.NewEvent(name) == nil {
			t.Errorf("%s is no event of the port", name)
		}
	}
	return names
}

// TestEveryEventHasOtherNames holds the table of docs/signalling.md that maps our
// events to Matrix, XMPP and SIP against the closed list of events: each has one
// row with a word in every column, and no row is about something else.
func TestEveryEventHasOtherNames(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "signalling.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(page), "\n### Every event\n")
	if !found {
		t.Fatal(`docs/signalling.md has no section "Every event"`)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	rows := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` (.*)\\|$").FindAllStringSubmatch(part, -1) {
		if rows[row[1]] {
			t.Errorf("%s has two rows", row[1])
		}
		rows[row[1]] = true
		cells := strings.Split(strings.Trim(row[2], "| "), " | ")
		if len(cells) != 3 {
			t.Errorf("%s has %d other names, want those of Matrix, XMPP and SIP: %q", row[1], len(cells), cells)
		}
		for _, cell := range cells {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s has an empty cell", row[1])
			}
		}
	}
	events := everyEvent(t)
	if len(events) < 30 {
		t.Fatalf("only %d events were found", len(events))
	}
	for _, name := range events {
		if !rows[name] {
			t.Errorf("docs/signalling.md maps no %s to Matrix, XMPP and SIP", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("docs/signalling.md maps %s, which is no event", name)
	}
}

package natsbus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
)

// TestBadCommandsOnTheBus: whatever comes on a subject is answered with a refusal
// that says what is wrong, and the next command is carried out.
func TestBadCommandsOnTheBus(t *testing.T) {
	e := signaltest.NewEngine(t, nil)
	server := embedded(t)
	conn, err := nats.Connect("", nats.InProcessServer(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	serve(t, natsbus.Config{Embedded: server}, e)
	ready(t, &client{conn: conn, feed: signaltest.NewFeed()})
	const ring = `{"type":"call.create","id":"1","call":"c","from":{"user":"ann","device":"1"},"targets":[{"user":"bob","devices":["1"]}]}`
	for _, tt := range []struct {
		name, subject, body string
		want                signal.Code
	}{
		{"not JSON", natsbus.CallSubject("c"), "hello", signal.BadMessage},
		{"nothing", natsbus.CallSubject("c"), "", signal.BadMessage},
		{"an array", natsbus.CallSubject("c"), "[]", signal.BadMessage},
		{"deeply nested", natsbus.CallSubject("c"), `{"type":"call.create","targets":` + strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000) + `}`, signal.BadMessage},
		{"huge", natsbus.CallSubject("c"), `{"type":"call.create","payload":"` + strings.Repeat("A", 2*signal.MaxMessageSize) + `"}`, signal.TooLarge},
		{"an unknown type", natsbus.CallSubject("c"), `{"type":"call.dance","id":"1","call":"c"}`, signal.UnknownType},
		{"a good one", natsbus.CallSubject("c"), ring, ""},
		{"another's call", natsbus.CallSubject("d"), `{"type":"call.end","id":"2","call":"c"}`, signal.BadMessage},
		{"a room's command for a call", natsbus.CallSubject("c"), `{"type":"room.end","id":"3","room":"c"}`, signal.BadMessage},
		{"no such call", natsbus.CallSubject("e"), `{"type":"call.end","id":"4","call":"e"}`, signal.CallUnknown},
		{"a stranger accepts", natsbus.CallSubject("c"), `{"type":"call.accept","id":"5","call":"c","from":{"user":"eve","device":"1"}}`, signal.NotInvited},
		{"what is a device's", natsbus.CallSubject("c"), `{"type":"direct","id":"6","call":"c","step":"ready"}`, signal.BadMessage},
		{"one that goes on", natsbus.CallSubject("c"), `{"type":"call.accept","id":"7","call":"c","from":{"user":"bob","device":"1"}}`, ""},
	} {
		answer, err := conn.Request(tt.subject, []byte(tt.body), 10*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		m, err := signal.DecodeIncoming(answer.Data)
		if err != nil {
			t.Fatalf("%s: answered with %.100s: %v", tt.name, answer.Data, err)
		}
		var code signal.Code
		if m.Refusal != nil {
			code = m.Refusal.Code
		}
		if code != tt.want || (m.Refusal != nil && m.Refusal.Message == "") {
			t.Errorf("%s: answered with %.200s, want %q and a sentence", tt.name, answer.Data, tt.want)
		}
	}
}

package natsbus

import (
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

func FuzzEscape(f *testing.F) {
	for _, id := range []string{"", "c-1", "a.b", "*", ">", "a b", "ä☃", "%41", "call_x", "\x00\xff"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		token := Escape(id)
		if strings.ContainsAny(token, ".*> \t\r\n\x00") {
			t.Fatalf("%q became %q, which is no token", id, token)
		}
		if back, ok := unescape(token); !ok || back != id {
			t.Fatalf("%q became %q and came back as %q", id, token, back)
		}
		_, _ = unescape(id) // whatever comes
		_, _, _ = parse(root + ".call." + id + ".cmd")
	})
}

// Who may publish about one call must not act on another.
func TestSubjectAndCommandAgree(t *testing.T) {
	for name, c := range map[string]struct {
		subject string
		body    signal.Body
		call    string
		ok      bool
	}{
		"named by the subject":  {"rivulet.v1.call.a%2Eb.cmd", &signal.Call{Verb: signal.CallEnd}, "a.b", true},
		"named by both":         {"rivulet.v1.call.a.cmd", &signal.Call{Verb: signal.CallEnd, Call: "a"}, "a", true},
		"another call":          {"rivulet.v1.call.a.cmd", &signal.Call{Verb: signal.CallEnd, Call: "b"}, "b", false},
		"a room's command":      {"rivulet.v1.call.a.cmd", &signal.RoomControl{Verb: signal.RoomEnd, Room: "a"}, "", false},
		"a call on a room":      {"rivulet.v1.room.a.cmd", &signal.Call{Verb: signal.CallEnd, Call: "a"}, "a", false},
		"a call on none":        {"rivulet.v1.cmd", &signal.Call{Verb: signal.CallEnd, Call: "a"}, "a", false},
		"a broken escape":       {"rivulet.v1.call.a%2.cmd", &signal.Call{Verb: signal.CallEnd}, "", false},
		"about neither":         {"rivulet.v1.cmd", &signal.FeedQuery{}, "", true},
		"about neither on call": {"rivulet.v1.call.a.cmd", &signal.FeedQuery{}, "", false},
	} {
		kind, object, err := parse(c.subject)
		if err == nil {
			err = fits(kind, object, c.body)
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if call, is := c.body.(*signal.Call); is && c.ok && call.Call != c.call {
			t.Errorf("%s: the call is %q", name, call.Call)
		}
	}
}

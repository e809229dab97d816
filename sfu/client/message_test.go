package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want incoming
	}{
		"reply":        {`{"type":"done","re":"7"}`, incoming{re: "7", reply: &signal.Done{}}},
		"reply, body":  {`{"type":"published","re":"7","track":{"id":"t","source":"camera"}}`, incoming{re: "7", reply: &signal.Published{Track: signal.Track{ID: "t", Source: signal.Camera}}}},
		"refusal":      {`{"type":"error","re":"7","code":"not_permitted","message":"no"}`, incoming{re: "7", refusal: &signal.Error{Code: signal.NotPermitted, Message: "no"}}},
		"event":        {`{"type":"participant_left","seq":3,"participant":"p","reason":"left"}`, incoming{sequence: 3, event: &signal.ParticipantLeft{Participant: "p", Reason: signal.Left}}},
		"newer server": {`{"type":"weather","seq":4,"sun":true}`, incoming{sequence: 4}},
	} {
		got, err := decode([]byte(c.text), nil, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(incoming{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, text := range []string{``, `[]`, `{"type":"no such reply","re":"1"}`, `{"type":"slots","seq":1,"slots":7}`, `{"type":"joined","re":3}`} {
		if got, err := decode([]byte(text), nil, nil); err == nil {
			t.Errorf("%s: read as %+v", text, got)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		id   string
		body signal.Body
		want string
	}{
		{"", &signal.Ping{}, `{"type":"ping"}`},
		{"5", &signal.Ping{}, `{"type":"ping","id":"5"}`},
		{"6", &signal.Mute{Source: signal.Camera, Muted: true}, `{"type":"mute","id":"6","source":"camera","muted":true}`},
	} {
		got, err := encode(c.id, c.body)
		if err != nil || string(got) != c.want {
			t.Errorf("encoded %s, %v; want %s", got, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"joined","re":"join","participant":"p","slots":[{"slot":0,"mid":"2"}],"sequence":1}`))
	f.Add([]byte(`{"type":"slots","seq":1,"slots":[{"slot":-1,"source":4294967295}]}`))
	f.Add([]byte(`{"type":"error","code":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b, nil, nil)
		if err == nil && m.reply == nil && m.event == nil && m.refusal == nil && m.sequence == 0 {
			t.Errorf("%q means nothing and is no error", b)
		}
	})
}

package ws

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

func TestDecode(t *testing.T) {
	for name, tt := range map[string]struct {
		message, id string
		kind        string
		code        signal.Code
	}{
		"ping":               {`{"type":"ping","id":"1"}`, "1", "ping", ""},
		"fields":             {`{"type":"mute","id":"2","source":"camera","muted":true}`, "2", "mute", ""},
		"unknown field":      {`{"type":"leave","id":"3","later":{"a":[1,2]}}`, "3", "leave", ""},
		"without id":         {`{"type":"ping"}`, "", "ping", ""},
		"empty":              {``, "", "", signal.BadMessage},
		"not JSON":           {`hello`, "", "", signal.BadMessage},
		"cut off":            {`{"type":"ping","id":"1"`, "", "", signal.BadMessage},
		"two objects":        {`{"type":"ping"}{"type":"ping"}`, "", "", signal.BadMessage},
		"array":              {`[{"type":"ping"}]`, "", "", signal.BadMessage},
		"null":               {`null`, "", "", signal.UnknownType},
		"number":             {`7`, "", "", signal.BadMessage},
		"type is a number":   {`{"type":7,"id":"1"}`, "", "", signal.BadMessage},
		"no such type":       {`{"type":"dance","id":"4"}`, "4", "", signal.UnknownType},
		"a reply":            {`{"type":"joined","id":"4"}`, "4", "", signal.UnknownType},
		"field of bad type":  {`{"type":"mute","id":"5","muted":"yes"}`, "5", "", signal.BadMessage},
		"number too large":   {`{"type":"ack","id":"6","source":4294967296}`, "6", "", signal.BadMessage},
		"negative":           {`{"type":"resume","id":"7","after":-1}`, "7", "", signal.BadMessage},
		"long id":            {`{"type":"ping","id":"` + strings.Repeat("x", 65) + `"}`, "", "", signal.BadMessage},
		"deep nesting":       {`{"type":"ping","x":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}`, "", "", signal.BadMessage},
		"type of other case": {`{"type":"PING","id":"8"}`, "8", "", signal.UnknownType},
	} {
		id, body, err := signal.DecodeCommand([]byte(tt.message))
		var refused *signal.Error
		errors.As(err, &refused)
		switch {
		case id != tt.id:
			t.Errorf("%s: id %q, want %q", name, id, tt.id)
		case tt.code == "" && (err != nil || body == nil || body.Type() != tt.kind):
			t.Errorf("%s: answered %v, %v, want %s", name, body, err, tt.kind)
		case tt.code != "" && (refused == nil || refused.Code != tt.code || body != nil):
			t.Errorf("%s: answered %v, %v, want %s", name, body, err, tt.code)
		}
	}
}

// A refusal goes back to the client, so it must not carry everything that came.
func TestRefusalOfDecodeIsShort(t *testing.T) {
	long := strings.Repeat("y", 50_000)
	for _, message := range []string{
		`{"type":"` + long + `"}`, `{"type":"mute","source":7,"` + long + `":1}`, long, `{"type":"ping","id":"` + long + `"}`,
		`{"type":"data_mode","mode":{"` + long + `":1}}`,
	} {
		_, _, err := signal.DecodeCommand([]byte(message))
		if err == nil || len(err.Error()) > 300 {
			t.Errorf("%.40s...: refused with %d bytes: %.300v", message, len(err.Error()), err)
		}
	}
}

// FuzzDecode: whatever comes is refused with a code or becomes a command that
// validates without a panic and survives the way back.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","id":"1","version":1,"room":"r","name":"Ann","offer":"v=0","send":[{"mid":"0","source":"microphone"}],"publish":[{"source":"camera","width":1280,"height":720,"layers":[{"rid":"q","width":320,"height":180,"maxRate":150000}]}],"dataMode":"low","client":"web/0.1"}`,
		`{"type":"resume","id":"2","version":1,"token":"r_x","after":7}`,
		`{"type":"view","id":"3","tracks":[{"track":"t_1","width":640,"height":360,"priority":9}]}`,
		`{"type":"restart","id":"4","offer":"v=0\r\n"}`,
		`{"type":"candidate","id":"5","candidate":"candidate:1 1 udp 1 192.0.2.1 1 typ host","mid":"0"}`,
		`{"type":"data_mode","mode":"voice"}`, `{"type":"ack","slot":3,"source":65535}`, `{"type":"unpublish","source":"screen_audio"}`,
		`{"type":"mute","source":"screen","muted":true}`, `{"type":"publish","source":"screen"}`, `{"type":"leave"}`, `{"type":"ping"}`,
		`{}`, `[]`, `null`, "\x00", `{"type":"join","room":"\ud800","name":"\u0000"}`, `{"type":"join","publish":[{}],"send":[{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		id, body, err := signal.DecodeCommand(b)
		if len(id) > signal.MaxCommandID {
			t.Fatalf("an id of %d bytes came through", len(id))
		}
		if err != nil {
			var refused *signal.Error
			if !errors.As(err, &refused) || body != nil {
				t.Fatalf("refused with %v beside %v, want a code and nothing else", err, body)
			}
			if _, err := json.Marshal(refusal(id, err)); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := body.Validate(); err != nil {
			var refused *signal.Error
			if !errors.As(err, &refused) {
				t.Fatalf("refused with %v, want a code", err)
			}
			return
		}
		again, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, signal.NewBody(body.Type())); err != nil {
			t.Fatalf("%s does not read what it wrote: %v", again, err)
		}
	})
}

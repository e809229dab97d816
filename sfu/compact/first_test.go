package compact

import (
	"bytes"
	"strings"
	"testing"
)

func TestFirstMessages(t *testing.T) {
	connect, join := Encode([]byte(`{"type":"connect"}`)), Encode([]byte(`{"type":"join"}`))
	got, ok := First([]string{FirstSubprotocol, Subprotocol, Token(connect), PlainSubprotocol, Token(join)})
	if !ok || len(got) != 2 || !bytes.Equal(got[0], connect) || !bytes.Equal(got[1], join) {
		t.Errorf("%q, %v", got, ok)
	}
	for name, names := range map[string][]string{
		"none":       {FirstSubprotocol, Subprotocol},
		"no base64":  {firstPrefix + "!"},
		"padded":     {firstPrefix + "AA=="},
		"too many":   {Token(connect), Token(connect), Token(join)},
		"too long":   {Token(bytes.Repeat([]byte{7}, MaxFirstSize))},
		"both long":  {Token(bytes.Repeat([]byte{7}, MaxFirstSize/2)), Token(bytes.Repeat([]byte{7}, MaxFirstSize/2))},
		"wrong case": {strings.ToUpper(Token(join))},
	} {
		if got, ok := First(names); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// FuzzFirst: whatever names come, at most two messages within the bound are taken,
// and each comes back as it was.
func FuzzFirst(f *testing.F) {
	f.Add(Token([]byte("x")), Subprotocol)
	f.Add(firstPrefix, firstPrefix+"=")
	f.Fuzz(func(t *testing.T, a, b string) {
		got, ok := First([]string{a, b})
		if ok != (len(got) > 0) {
			t.Fatalf("%d messages, %v", len(got), ok)
		}
		again := make([]string, 0, len(got))
		for _, m := range got {
			again = append(again, Token(m))
		}
		if ok {
			if back, ok := First(again); !ok || len(back) != len(got) || !bytes.Equal(back[0], got[0]) {
				t.Fatalf("%q became %q, %v", got, back, ok)
			}
		}
	})
}

package token_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/token"
)

func TestConfigRefuses(t *testing.T) {
	s := mustSecret(t, textA)
	cases := map[string]struct {
		config token.Config
		says   string
	}{
		"no key":             {token.Config{}, "rivulet token secret"},
		"no secret":          {token.Config{Keys: []token.Key{{ID: "a"}}}, "rivulet token secret"},
		"no id":              {token.Config{Keys: []token.Key{{Secret: s}}}, "id must have"},
		"id twice":           {token.Config{Keys: []token.Key{{ID: "a", Secret: s}, {ID: "a", Secret: s}}}, "two keys"},
		"other algorithm":    {token.Config{Keys: []token.Key{{ID: "a", Algorithm: "none", Secret: s}}}, "not supported"},
		"unknown signer":     {token.Config{Keys: []token.Key{{ID: "a", Secret: s}}, SigningKey: "z"}, "not among"},
		"negative leeway":    {token.Config{Keys: []token.Key{{ID: "a", Secret: s}}, Leeway: -1}, "leeway"},
		"boundless leeway":   {token.Config{Keys: []token.Key{{ID: "a", Secret: s}}, Leeway: time.Hour}, "leeway"},
		"too many keys":      {token.Config{Keys: make([]token.Key, 65)}, "at most"},
		"both kinds, joined": {token.Config{Keys: []token.Key{{ID: "a"}}, Leeway: -1}, "leeway"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v, err := token.NewVerifier(c.config)
			if err == nil || v != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("NewVerifier = %v, %v; want an error that says %q", v, err, c.says)
			}
		})
	}
}

func TestNothingPrintsTheSecret(t *testing.T) {
	config := token.DefaultConfig()
	config.Keys = []token.Key{{ID: "a", Secret: mustSecret(t, textA)}}
	v := verifier(t, nil)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n"+verb+"\n", v, config, struct{ hidden token.Config }{config})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "verifier", v, "config", config)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "verifier", v, "config", config)
	for _, leak := range []string{textA, fmt.Sprintf("%x", textA), fmt.Sprint([]byte(textA))} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("the secret was printed:\n%s", out.String())
		}
	}
}

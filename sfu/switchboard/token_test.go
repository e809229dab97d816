package switchboard_test

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// TestForgedTokensOpenNoLine: what a device or a backend that connects has to show.
func TestForgedTokensOpenNoLine(t *testing.T) {
	cfg := token.DefaultConfig()
	for _, id := range []string{"a", "b"} {
		s, err := secret.New(secret.Generate())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Keys = append(cfg.Keys, token.Key{ID: id, Secret: s})
	}
	stranger := cfg
	stranger.Keys = nil
	for _, k := range cfg.Keys {
		s, err := secret.New(secret.Generate())
		if err != nil {
			t.Fatal(err)
		}
		stranger.Keys = append(stranger.Keys, token.Key{ID: k.ID, Secret: s})
	}
	sign := func(c token.Config, at time.Time, g token.Grants) string {
		t.Helper()
		c.SigningKey = "a"
		v, err := token.NewVerifier(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := v.Sign(at, g, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	v, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := signaltest.NewEngine(t, func(c *switchboard.Config) { c.Authorizer = v })
	phone := token.Grants{Identity: "ann", Calls: true, Device: "phone"}
	now := time.Now()
	good := sign(cfg, now, phone)
	for name, tt := range map[string]struct {
		token   string
		backend bool
		want    signal.Code
	}{
		"good":                      {good, false, ""},
		"none":                      {"", false, signal.BadToken},
		"nonsense":                  {"a.b.c", false, signal.BadToken},
		"another's key":             {sign(stranger, now, phone), false, signal.BadToken},
		"changed":                   {good[:len(good)-4] + "AAAA", false, signal.BadToken},
		"expired":                   {sign(cfg, now.Add(-2*time.Hour), phone), false, signal.TokenExpired},
		"not yet":                   {sign(cfg, now.Add(5*time.Minute), phone), false, signal.BadToken},
		"a room's":                  {sign(cfg, now, token.Grants{Identity: "ann", Room: "r", Join: true}), false, signal.NotPermitted},
		"a device's, for a backend": {good, true, ""},
	} {
		reply, err := e.Do(t.Context(), signal.Command{Body: &signal.Connect{Version: 1, Token: tt.token, User: "eve", Device: "other", Backend: tt.backend}})
		var code signal.Code
		if err != nil {
			code = signal.AsError(err).Code
		}
		if code != tt.want {
			t.Errorf("%s: %q (%v), want %q", name, code, err, tt.want)
		}
		// The token says who it is, whatever the client says.
		if c, is := reply.(*signal.Connected); is && (c.User != "ann" || c.Device != "phone" || c.Backend) {
			t.Errorf("%s: connected as %s/%s, backend %v", name, c.User, c.Device, c.Backend)
		}
	}
}

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/loadtest"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// parseLoad reads a command line of load.
func parseLoad(t *testing.T, args ...string) *loadCommand {
	t.Helper()
	var line loadCommand
	parser, err := kong.New(&line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &line
}

func quiet() *console { return &console{out: io.Discard, err: io.Discard} }

func TestLoadFlags(t *testing.T) {
	cfg, err := parseLoad(t, "--url", "http://h", "--rooms=2", "--publishers=3", "--subscribers=4", "--video=none", "--layers=2",
		"--video-rate=300", "--duration=5s", "--join-rate=7", "--relay-only", "--relay-transport=tcp", "--tcp", "--admin=http://a/metrics",
		"--token=abc").config(quiet())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cfg.Token("r", "i"); got != "abc" || err != nil {
		t.Errorf("the token is %q, %v", got, err)
	}
	if cfg.URL != "http://h" || cfg.Rooms != 2 || cfg.Publishers != 3 || cfg.Subscribers != 4 || cfg.Video != loadtest.NoVideo ||
		cfg.Layers != 2 || cfg.VideoRate != 300*units.Kbps || cfg.Duration != 5*time.Second || cfg.JoinRate != 7 ||
		!cfg.RelayOnly || cfg.RelayTransport != "tcp" || !cfg.TCPOnly || cfg.Metrics != "http://a/metrics" {
		t.Errorf("read %+v", cfg)
	}
	cfg, err = parseLoad(t).config(quiet())
	if err != nil || cfg.Token != nil || cfg.RelayTransport != "" {
		t.Errorf("without flags: %v, %+v", err, cfg)
	}
	if _, err := parseLoad(t, "--layers=9").config(quiet()); err == nil {
		t.Error("nine layers were taken")
	}
}

// TestLoadSignsTokens: with a secret each client has a token of its own.
func TestLoadSignsTokens(t *testing.T) {
	text := secret.Generate()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := parseLoad(t, "--secret-file", name, "--key", "k").config(quiet())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := cfg.Token("load-0", "load-7")
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.New(text)
	if err != nil {
		t.Fatal(err)
	}
	keys := token.DefaultConfig()
	keys.Keys = []token.Key{{ID: "k", Secret: key}}
	verifier, err := token.NewVerifier(keys)
	if err != nil {
		t.Fatal(err)
	}
	g, err := verifier.Verify(time.Now(), signed)
	if err != nil || g.Room != "load-0" || g.Identity != "load-7" || !g.Publish || !g.Subscribe {
		t.Errorf("the token says %+v, %v", g, err)
	}
	if _, err := parseLoad(t, "--secret-file", name).config(quiet()); err == nil {
		t.Error("a secret without the key's id was taken")
	}
}

func TestProgressIsOneLine(t *testing.T) {
	var out bytes.Buffer
	l := &progressLine{w: &out}
	l.tell(loadtest.Progress{Clients: 1000, Connected: 1000})
	l.tell(loadtest.Progress{Clients: 1})
	l.end()
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Count(got, "\r") != 2 {
		t.Errorf("wrote %q", got)
	}
}

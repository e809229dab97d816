package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// rivulet runs one command line without an environment of this machine.
func rivulet(t *testing.T, environ []string, args ...string) (status int, out, complaint string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), &console{out: &o, err: &e, environ: environ}, args)
	return status, o.String(), e.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServeRefusesToStartWithoutSecrets(t *testing.T) {
	for name, environ := range map[string][]string{
		"none": nil,
		"weak": {"RIVULET_AUTH_KEYS=backend:devkey", "RIVULET_TURN_SECRET=password"},
	} {
		status, out, complaint := rivulet(t, environ, "serve")
		if status != 1 || out != "" {
			t.Errorf("%s: status %d, out %q", name, status, out)
		}
		for _, want := range []string{"auth.keys", "turn.secret", "weak secret", "rivulet token secret"} {
			if !strings.Contains(complaint, want) {
				t.Errorf("%s: no %q in %q", name, want, complaint)
			}
		}
		for _, text := range []string{"devkey", "password\n"} {
			if strings.Contains(complaint, text) {
				t.Errorf("%s: the complaint tells the secret: %q", name, complaint)
			}
		}
		if lines := strings.Split(strings.TrimSpace(complaint), "\n"); len(lines) != 2 {
			t.Errorf("%s: %d lines, want one for each mistake:\n%s", name, len(lines), complaint)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	strong := secret.Generate()
	good := write(t, "rivulet.yaml", "auth:\n  keys: {a: "+strong+"}\nturn:\n  secret: "+strong+"\n")
	if status, out, complaint := rivulet(t, nil, "config", "check", good); status != 0 || out != "ok\n" {
		t.Errorf("status %d, %q, %q", status, out, complaint)
	}
	bad := write(t, "rivulet.yaml", "http:\n  adress: :80\n")
	status, _, complaint := rivulet(t, nil, "config", "check", bad)
	if want := bad + `:2:3: unknown key "adress"; did you mean "address"?`; status != 1 || !strings.Contains(complaint, want) {
		t.Errorf("status %d, %q does not say %q", status, complaint, want)
	}
	if status, _, complaint := rivulet(t, nil, "config", "check", "--dev"); status != 0 {
		t.Errorf("for development: status %d, %q", status, complaint)
	}
	if status, _, complaint := rivulet(t, nil, "config", "check", "/no/such/file"); status != 1 || !strings.Contains(complaint, "no such file") {
		t.Errorf("a missing file: status %d, %q", status, complaint)
	}
}

func TestConfigPrint(t *testing.T) {
	file := write(t, "rivulet.yaml", "turn:\n  secret: "+secret.Generate()+"\nlog:\n  level: warn\n")
	environ := []string{"RIVULET_LOG_LEVEL=debug", "RIVULET_LOG_FORMAT=json", "RIVULET_HTTP_ADRESS=x"}
	status, out, complaint := rivulet(t, environ, "config", "print", "-c", file,
		"--http", ":80", "--advertise", "192.0.2.1", "--advertise", "2001:db8::1", "--udp", "1", "--set", "limits.rooms=3", "--log-format", "text")
	if status != 0 {
		t.Fatalf("status %d, %q", status, complaint)
	}
	squeezed := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		`address: ":80" # --http`, `advertise: ["192.0.2.1", "2001:db8::1"] # --advertise`, `port: 1 # --udp`, `rooms: 3 # --set`,
		`level: debug # RIVULET_LOG_LEVEL`, `format: text # --log-format`, `secret: "[redacted]" # ` + file + `:2:11`,
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(complaint, "RIVULET_HTTP_ADRESS sets nothing; did you mean RIVULET_HTTP_ADDRESS?") {
		t.Errorf("warned %q", complaint)
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"sirve"}, 2, "unexpected argument"},
		{[]string{"serve", "--htpp=:80"}, 2, "unknown flag"},
		{[]string{"config", "check", "--set", "http.address"}, 1, "write --set KEY=VALUE"},
		{[]string{"config", "check", "--set", "http.adress=1"}, 1, "did you mean http.address?"},
		{[]string{"config", "check", "--udp", "70000"}, 1, "--udp: media.port is 70000; it must be 0 to 65535"},
		{[]string{"token", "create", "--room", "a", "--identity", "b"}, 1, "there is no key to sign with"},
		{[]string{"token", "create", "--room", "a", "--identity", "b", "--secret-file", "x"}, 1, "--secret-file needs --key ID"},
		{[]string{"token", "create", "--room", "a"}, 2, "--identity"},
		{[]string{"token", "create"}, 2, "say what the token is for"},
		{[]string{"token", "create", "--backend", "--room", "a"}, 2, "--backend stands alone"},
		{[]string{"token", "create", "--room", "a", "--identity", "b", "--device", "c"}, 2, "--device goes with --calls"},
	} {
		status, _, complaint := rivulet(t, nil, test.args...)
		if status != test.status || !strings.Contains(complaint, test.want) {
			t.Errorf("%v: status %d, %q; want %d, %q", test.args, status, complaint, test.status, test.want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	if status, out, _ := rivulet(t, nil, "--help"); status != 0 || !strings.Contains(out, "serve") || !strings.Contains(out, "token create") {
		t.Errorf("help: status %d, %q", status, out)
	}
	if status, out, _ := rivulet(t, nil, "version"); status != 0 || !strings.HasPrefix(out, "rivulet ") {
		t.Errorf("version: status %d, %q", status, out)
	}
}

func TestTokensOpenWhatTheySay(t *testing.T) {
	status, text, _ := rivulet(t, nil, "token", "secret")
	if status != 0 {
		t.Fatal("no secret")
	}
	text = strings.TrimSpace(text)
	key, err := secret.New(text)
	if err != nil {
		t.Fatalf("the secret made is refused: %v", err)
	}
	cfg := token.DefaultConfig()
	cfg.Keys = []token.Key{{ID: "backend", Secret: key}}
	verifier, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "secret", text+"\n")
	for name, args := range map[string][]string{
		"environment": nil,
		"secret file": {"--secret-file", file, "--key", "backend"},
	} {
		environ := []string{"RIVULET_AUTH_KEYS=backend:" + text}
		args = append([]string{"token", "create", "--room", "kitchen", "--identity", "ann", "--name", "Ann", "--ttl", "5m", "--publish", "microphone", "--no-subscribe"}, args...)
		status, out, complaint := rivulet(t, environ, args...)
		if status != 0 {
			t.Fatalf("%s: status %d, %q", name, status, complaint)
		}
		now := time.Now()
		grants, err := verifier.Verify(now, strings.TrimSpace(out))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if grants.Opens("kitchen") != nil || grants.Identity != "ann" || grants.Name != "Ann" || grants.Subscribe ||
			!grants.MayPublish(token.Microphone) || grants.MayPublish(token.Camera) {
			t.Errorf("%s: granted %+v", name, grants)
		}
		if left := grants.Expires.Sub(now); left < 4*time.Minute || left > 5*time.Minute {
			t.Errorf("%s: good for %v, want 5m", name, left)
		}
	}
	two := []string{"RIVULET_AUTH_KEYS=a:" + text + ",b:" + secret.Generate()}
	base := []string{"token", "create", "--room", "kitchen", "--identity", "ann"}
	if status, _, complaint := rivulet(t, two, base...); status != 1 || !strings.Contains(complaint, "choose one of a, b with --key") {
		t.Errorf("two keys: status %d, %q", status, complaint)
	}
	if status, _, complaint := rivulet(t, two, append(base, "--key", "c")...); status != 1 || !strings.Contains(complaint, `no key "c"`) {
		t.Errorf("a wrong key: status %d, %q", status, complaint)
	}
	if status, _, complaint := rivulet(t, two, append(base, "--key", "a", "--publish", "telepathy")...); status != 1 || !strings.Contains(complaint, "no such source") {
		t.Errorf("a wrong source: status %d, %q", status, complaint)
	}
	if status, _, _ := rivulet(t, two, append(base, "--key", "b", "--publish", "none")...); status != 0 {
		t.Errorf("nothing to publish: status %d", status)
	}
}

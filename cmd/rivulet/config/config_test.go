package config

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

const strong = "correct-horse-battery-staple-0123456789"

// load reads a file given as text beside environment and flags.
func load(t *testing.T, file string, environ []string, flags ...Setting) (*Loaded, error) {
	t.Helper()
	files := map[string]string{"rivulet.yaml": file, "/run/turn": strong + "\n", "/run/empty": "\n"}
	return Load(Sources{
		File: "rivulet.yaml", Environ: environ, Flags: flags,
		ReadFile: func(name string) ([]byte, error) {
			text, ok := files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
	})
}

func TestNothingSetIsTheDefault(t *testing.T) {
	for _, file := range []string{"", "# only a comment\n", "http:\n", "http:\n  address:\n"} {
		l, err := load(t, file, nil)
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if !reflect.DeepEqual(l.Config, Default()) || len(l.Origins) != 0 {
			t.Errorf("%q: %+v from %v, want the default", file, l.Config, l.Origins)
		}
	}
}

func TestFileIsStrict(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"unknown key", "http:\n  adress: :80\n", `rivulet.yaml:2:3: unknown key "adress"; did you mean "address"?`},
		{"unknown section", "http:\n  address: :80\nmdia: {}\n", `rivulet.yaml:3:1: unknown key "mdia"; did you mean "media"?`},
		{"unlike any", "zzzzzz: 1\n", `rivulet.yaml:1:1: unknown key "zzzzzz"`},
		{"in flow style", "http: {address: :80, tls: yes}\n", `rivulet.yaml:1:22: unknown key "tls"`},
		{"twice", "log:\n  level: info\n  level: warn\n", `rivulet.yaml: not YAML: [3:3] mapping key "level" already defined`},
		{"not YAML", "http: [\n", `rivulet.yaml: not YAML: [1:7]`},
		{"a list", "- http\n", `rivulet.yaml:1:1: the file must be a map of keys to values`},
		{"section is no map", "http: 5\n", `rivulet.yaml:1:7: http must be a map of keys to values`},
		{"two documents", "http: {}\n---\nhttp: {}\n", `only one document is allowed`},
		{"whole number", "media:\n  port: 1.5\n", `rivulet.yaml:2:9: media.port is "1.5", which is not a whole number`},
		{"range", "media:\n  port: 65536\n", `rivulet.yaml:2:9: media.port is 65536; it must be 0 to 65535`},
		{"number", "limits:\n  joinRate: .nan\n", `rivulet.yaml:2:13: limits.joinRate is ".nan", which is not a number`},
		{"unit", "drain:\n  grace: 5\n", `rivulet.yaml:2:10: drain.grace is "5", which is not a duration with its unit`},
		{"duration range", "auth:\n  leeway: 10m\n", `auth.leeway is 10m0s; it must be 0s to 5m`},
		{"bool", "turn:\n  tcp: maybe\n", `rivulet.yaml:2:8: turn.tcp is "maybe", which is not true or false`},
		{"choice", "log:\n  level: loud\n", `rivulet.yaml:2:10: log.level is "loud"; it must be one of debug, info, warn, error`},
		{"address", "media:\n  bind: everywhere\n", `media.bind is "everywhere", which is not an IP address`},
		{"list entry", "media:\n  advertise: [192.0.2.1, example.org]\n", `rivulet.yaml:2:14: media.advertise has "example.org" in it`},
		{"list for scalar", "log:\n  level: [info]\n", `rivulet.yaml:2:10: log.level takes a single value, not a list`},
		{"map for list", "http:\n  origins: {a: b}\n", `http.origins takes a list, not a map`},
		{"nested list", "http:\n  origins: [[a]]\n", `http.origins: a plain value is wanted here`},
		{"alias", "http:\n  address: &a :80\nadmin:\n  address: *a\n", `rivulet.yaml:2:12: http.address: a plain value is wanted here`},
		{"weak key", "auth:\n  keys:\n    backend: hunter2\n", `rivulet.yaml:3:12: auth.keys key "backend": weak secret: 7 bytes given, at least 32 needed: make one with`},
		{"empty key", "auth:\n  keys: {backend: }\n", `key "backend": weak secret: it is empty`},
		{"missing secret file", "turn:\n  secret: file:/run/none\n", `turn.secret read the secret: open /run/none`},
		{"empty secret file", "turn:\n  secret: file:/run/empty\n", `weak secret: the file /run/empty is empty`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.file, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
		})
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	_, err := load(t, "http:\n  adress: x\nlog:\n  level: loud\n", []string{"RIVULET_MEDIA_PORT=x"}, Setting{"turn.prt", "1", "--set"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"unknown key \"adress\"", "log.level is", "RIVULET_MEDIA_PORT: media.port is \"x\"", `--set: unknown key "turn.prt"; did you mean turn.port?`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	const mine = "hunter2hunter2"
	for _, file := range []string{
		"auth:\n  keys:\n    backend: " + mine + "\n",
		"auth:\n  keys: [" + mine + "]\n",
		"auth:\n  keys: " + mine + "\n",
		"auth:\n  keys:\n    backend: [" + mine + "]\n",
		"turn:\n  secret: " + mine + "\n",
		"turn:\n  secret: {a: " + mine + "}\n",
		"turn:\n  secret: \"" + mine + "\"\n  zzz: [\n",
		"turn:\n  secret: \"" + mine + "\"\n  secret: \"" + mine + "\"\n",
	} {
		_, err := load(t, file, nil)
		if err == nil {
			t.Errorf("%q was accepted", file)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	_, err := load(t, "", []string{"RIVULET_TURN_SECRET=" + mine, "RIVULET_AUTH_KEYS=" + mine, "RIVULET_AUTH_LEEWAY=1s"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("environment: %v", err)
	}
}

func TestFlagsBeforeEnvironmentBeforeFile(t *testing.T) {
	file := "http:\n  address: :1\nmedia:\n  port: 1\nturn:\n  port: 1\nlog:\n  level: warn\n"
	environ := []string{"PATH=/bin", "RIVULET_MEDIA_PORT=2", "RIVULET_TURN_PORT=2", "RIVULET_TEST_SOCKETS=1"}
	l, err := load(t, file, environ, Setting{"turn.port", "3", "--turn"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{l.HTTP.Address, l.Media.Port, l.TURN.Port, l.Log.Level, l.Log.Format}
	if diff := cmp.Diff([]any{":1", 2, 3, "warn", "text"}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{
		"http.address": "rivulet.yaml:2:12", "media.port": "RIVULET_MEDIA_PORT", "turn.port": "--turn", "log.level": "rivulet.yaml:8:10",
	}
	if diff := cmp.Diff(want, l.Origins); diff != "" {
		t.Error(diff)
	}
	if len(l.Warnings) != 0 {
		t.Errorf("warnings %v", l.Warnings)
	}
}

func TestListsAndSecretsFromEveryPlace(t *testing.T) {
	file := "http:\n  trustedProxies: [10.0.0.0/8, '::1']\nauth:\n  keys:\n    a: " + strong + "\n    b: file:/run/turn\nturn:\n  secret: |\n    " + strong + "x\n"
	environ := []string{"RIVULET_MEDIA_ADVERTISE=192.0.2.1, 2001:db8::1", "RIVULET_TURN_SECRET=file:/run/turn"}
	l, err := load(t, file, environ)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "::1/128"}, texts(l.HTTP.TrustedProxies)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"192.0.2.1", "2001:db8::1"}, texts(l.Media.Advertise)); diff != "" {
		t.Error(diff)
	}
	for _, s := range []secret.Secret{l.Auth.Keys["a"], l.Auth.Keys["b"], l.TURN.Secret} {
		if string(s.Bytes()) != strong {
			t.Errorf("a secret of %d bytes was read, want %d", len(s.Bytes()), len(strong))
		}
	}
	if l.RelayHost() != "192.0.2.1" {
		t.Errorf("relay host %q, want the advertised address", l.RelayHost())
	}
	if tokens, err := l.Tokens(nil); err != nil || len(tokens.Keys) != 2 || tokens.Keys[0].ID != "a" {
		t.Errorf("token keys %v, %v", tokens.Keys, err)
	}
	if l, err := load(t, "", []string{"RIVULET_AUTH_KEYS=a:" + strong + ",b:file:/run/turn"}); err != nil || len(l.Auth.Keys) != 2 {
		t.Errorf("keys from the environment: %v, %v", l.Auth.Keys, err)
	}
}

func texts[T interface{ String() string }](values []T) (all []string) {
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

func TestUnknownVariablesWarn(t *testing.T) {
	l, err := load(t, "", []string{"RIVULET_MEDIA_PROT=1", "RIVULET_SERVICE_HOST=10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Warnings) != 2 || !strings.Contains(l.Warnings[0], "RIVULET_MEDIA_PROT sets nothing; did you mean RIVULET_MEDIA_PORT?") {
		t.Errorf("warnings %q", l.Warnings)
	}
}

func TestFileFromTheEnvironment(t *testing.T) {
	l, err := Load(Sources{
		Environ:  []string{"RIVULET_CONFIG=elsewhere.yaml"},
		ReadFile: func(name string) ([]byte, error) { return []byte("media:\n  port: 9\n"), nil },
	})
	if err != nil || l.Media.Port != 9 || l.Origins["media.port"] != "elsewhere.yaml:2:9" {
		t.Errorf("port %d from %v, %v", l.Media.Port, l.Origins, err)
	}
	_, err = Load(Sources{File: "none.yaml", ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestPrintCanBeReadAndRedacts(t *testing.T) {
	file := "http:\n  address: 'localhost:1'\n  origins: ['*.example.org', \"a b\"]\nauth:\n  issuer: 'true'\n  keys: {'0': " + strong + "}\nturn:\n  secret: " + strong + "\n  credentialTTL: 90m\nlimits:\n  joinRate: 0.5\n"
	l, err := load(t, file, []string{"RIVULET_MEDIA_ADVERTISE=2001:db8::1"}, Setting{"log.level", "debug", "--log-level"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, "correct-horse") {
		t.Fatalf("a secret was printed:\n%s", text)
	}
	for _, want := range []string{
		"[redacted]", "# rivulet.yaml:2:12", "# RIVULET_MEDIA_ADVERTISE", "# --log-level", "# default", "credentialTTL: 1h30m ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	again, err := load(t, strings.ReplaceAll(text, "[redacted]", strong), nil)
	if err != nil {
		t.Fatalf("what was printed cannot be read: %v\n%s", err, text)
	}
	plain := cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b secret.Secret) bool { return bytes.Equal(a.Bytes(), b.Bytes()) })}
	if diff := cmp.Diff(l.Config, again.Config, plain, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("printed and read again:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"no secrets", "", "auth.keys: weak secret: no key"},
		{"no relay secret", "auth:\n  keys: {a: " + strong + "}\n", "turn.secret: weak secret: there is none: make one with `rivulet token secret`, and set turn.secret"},
		{"public admin", "admin:\n  address: ':9090'\n", `admin.address is ":9090", which is not loopback`},
		{"public admin by name", "admin:\n  address: 'example.org:9090'\n", "is not loopback"},
		{"no port", "http:\n  address: localhost\n", "http.address is \"localhost\"; it must be host:port"},
		{"bad port", "http:\n  address: ':http'\n", `port "http" is not 0 to 65535`},
		{"half of TLS", "http:\n  certificate: a.pem\n", "http.certificate and http.key belong together"},
		{"same port", "turn:\n  port: 7882\n", "media.port and turn.port are both 7882"},
		{"advertise", "media:\n  advertise: ['0.0.0.0']\n", "media.advertise: 0.0.0.0 is no address"},
		{"realm", "turn:\n  secret: " + strong + "\n  realm: ''\n", "realm must have 1 to 127 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.file, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Validate(false); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
	for name, file := range map[string]string{
		"complete":       "auth:\n  keys: {a: " + strong + "}\nturn:\n  secret: " + strong + "\n",
		"without relay":  "auth:\n  keys: {a: " + strong + "}\nturn:\n  enabled: false\n",
		"admin allowed":  "auth:\n  keys: {a: " + strong + "}\nturn:\n  enabled: false\nadmin:\n  address: ':9090'\n  allowRemote: true\n",
		"without admin":  "auth:\n  keys: {a: " + strong + "}\nturn:\n  enabled: false\nadmin:\n  address: ''\n",
		"admin over ::1": "auth:\n  keys: {a: " + strong + "}\nturn:\n  enabled: false\nadmin:\n  address: '[::1]:9090'\n",
	} {
		l, err := load(t, file, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := l.Validate(false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Default().Validate(true); err != nil {
		t.Errorf("development: %v", err)
	}
}

// Each key is read from its own default, written, bounded and documented.
func TestEveryKeyIsComplete(t *testing.T) {
	c := Default()
	seen := map[string]string{}
	for path, l := range leaves(&c) {
		name := Variable(path)
		if other := seen[name]; other != "" {
			t.Errorf("%s and %s share %s", path, other, name)
		}
		seen[name] = path
		if l.tag.Get("doc") == "" {
			t.Errorf("%s is not documented", path)
		}
		switch l.field.Interface().(type) {
		case int, float64, time.Duration:
			if l.tag.Get("min") == "" || l.tag.Get("max") == "" {
				t.Errorf("%s has no bounds", path)
			}
		}
		text := written(l.field.Interface())
		if _, err := load(t, strings.Replace(path, ".", ":\n  ", 1)+": "+text+"\n", nil); err != nil {
			t.Errorf("the default of %s: %v", path, err)
		}
	}
}

func TestVariable(t *testing.T) {
	for path, want := range map[string]string{
		"http.address": "RIVULET_HTTP_ADDRESS", "media.receiveBuffer": "RIVULET_MEDIA_RECEIVE_BUFFER",
		"turn.credentialTTL": "RIVULET_TURN_CREDENTIAL_TTL", "turn.tcpConnectionsPerIP": "RIVULET_TURN_TCP_CONNECTIONS_PER_IP",
	} {
		if got := Variable(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("http:\n  address: :80\n")
	f.Add("auth:\n  keys: {a: " + strong + "}\n")
	f.Add("media: [\n")
	f.Add("a: &b {c: *b}\n? x\n: y\n<<: z\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Load(Sources{File: "f", ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
		if err == nil {
			_ = l.Validate(false)
			if err := l.Print(&bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

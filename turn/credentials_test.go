package turn

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/turn/v5"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

func TestIssueCredentials(t *testing.T) {
	now := time.Unix(1_800_000_000, 500)
	c, err := IssueCredentials(now, testKey(t), "x7", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if c.Username != "1800003600:x7" || !c.Expires.Equal(time.Unix(1_800_003_600, 0)) {
		t.Errorf("username %q expires %v", c.Username, c.Expires)
	}
	// The key a client derives is the key the server expects.
	id, key, err := authorize(now, testKey(t), "rivulet", c.Username)
	if err != nil || id != "x7" || !bytes.Equal(key, pion.GenerateAuthKey(c.Username, "rivulet", c.Password)) {
		t.Errorf("authorize = %q, %v", id, err)
	}
	for name, bad := range map[string]struct {
		key secret.Secret
		id  string
		ttl time.Duration
	}{
		"no secret":   {secret.Secret{}, "x", time.Hour},
		"no id":       {testKey(t), "", time.Hour},
		"colon":       {testKey(t), "a:b", time.Hour},
		"space":       {testKey(t), "a b", time.Hour},
		"not ASCII":   {testKey(t), "\u00e9", time.Hour},
		"long id":     {testKey(t), strings.Repeat("x", 65), time.Hour},
		"no lifetime": {testKey(t), "x", 0},
		"negative":    {testKey(t), "x", -time.Hour},
	} {
		if c, err := IssueCredentials(now, bad.key, bad.id, bad.ttl); err == nil || c.Password != "" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// draft-uberti-behave-turn-rest-00 §2.2 as another implementation has it.
func TestCredentialsAgreeWithPion(t *testing.T) {
	username, pass, err := pion.GenerateLongTermTURNRESTCredentials(testSecret, "bob", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got := password(testKey(t), username); got != pass {
		t.Errorf("password %q, pion's %q", got, pass)
	}
	if _, _, err := authorize(time.Now(), testKey(t), "rivulet", username); err != nil {
		t.Errorf("pion's credentials refused: %v", err)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for username, want := range map[string]error{
		"1800000001:x":                          nil,
		"1800000000:x":                          errExpired,
		"1799999999:x":                          errExpired,
		"0:x":                                   errExpired,
		"1800000001:":                           errBadUsername,
		"1800000001":                            errBadUsername,
		":x":                                    errBadUsername,
		"":                                      errBadUsername,
		"+1800000001:x":                         errBadUsername,
		"-1:x":                                  errBadUsername,
		"1e12:x":                                errBadUsername,
		" 1800000001:x":                         errBadUsername,
		"9999999999999:x":                       errBadUsername,
		"1800000001:x:y":                        errBadUsername,
		"1800000001:x\x00":                      errBadUsername,
		"1800000001:" + strings.Repeat("x", 65): errBadUsername,
	} {
		if _, key, err := authorize(now, testKey(t), "r", username); !errors.Is(err, want) || (err == nil) != (key != nil) {
			t.Errorf("authorize(%q) = %v, want %v", username, err, want)
		}
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	c, err := IssueCredentials(time.Unix(1_800_000_000, 0), testKey(t), "x7", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Secret = testKey(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n"+verb+"\n", c, &c, config)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "credentials", c, "config", config)
	for _, leak := range []string{testSecret, c.Password, fmt.Sprintf("%x", c.Password), fmt.Sprint([]byte(testSecret))} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("a secret was printed:\n%s", out.String())
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	good := func() Config {
		m := newMemory()
		c := DefaultConfig()
		c.UDP = []net.PacketConn{m.open(serverAddr)}
		c.Secret = testKey(t)
		c.Relay = HostRelay(RelayHost{Bind: relayHost})
		return c
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("the good configuration of this test is refused: %v", err)
	}
	cases := map[string]struct {
		change func(*Config)
		says   string
	}{
		"no socket":        {func(c *Config) { c.UDP = nil }, "no socket"},
		"nil socket":       {func(c *Config) { c.UDP = []net.PacketConn{nil} }, "is nil"},
		"nil listener":     {func(c *Config) { c.TCP = []net.Listener{nil} }, "is nil"},
		"no relay":         {func(c *Config) { c.Relay = nil }, "relay allocator"},
		"no secret":        {func(c *Config) { c.Secret = secret.Secret{} }, "rivulet token secret"},
		"no realm":         {func(c *Config) { c.Realm = "" }, "realm"},
		"long realm":       {func(c *Config) { c.Realm = strings.Repeat("r", 128) }, "realm"},
		"short lifetime":   {func(c *Config) { c.Lifetime = time.Second }, "lifetime"},
		"long lifetime":    {func(c *Config) { c.Lifetime = 2 * time.Hour }, "lifetime"},
		"no age":           {func(c *Config) { c.MaxAge = 0 }, "age"},
		"wildcard peer":    {func(c *Config) { c.Peers.Addresses = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:7882")} }, "list each address"},
		"wildcard 6 peer":  {func(c *Config) { c.Peers.Addresses = []netip.AddrPort{netip.MustParseAddrPort("[::]:7882")} }, "list each address"},
		"peer sans port":   {func(c *Config) { c.Peers.Addresses = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")} }, "no port"},
		"no peer at all":   {func(c *Config) { c.Peers.Addresses = []netip.AddrPort{{}} }, "no address"},
		"no prefix at all": {func(c *Config) { c.Peers.Prefixes = []netip.Prefix{{}} }, "not valid"},
		"mapped prefix":    {func(c *Config) { c.Peers.Prefixes = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} }, "as IPv4"},
		"no allocations":   {func(c *Config) { c.Limits.Allocations = 0 }, "limit"},
		"no rate":          {func(c *Config) { c.Limits.AnswersPerSecond = 0 }, "answers"},
		"no TCP timeout":   {func(c *Config) { c.Limits.TCPIdleTimeout = 0 }, "timeout"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(&config)
			server, err := New(config, nil)
			if err == nil || server != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("New = %v, %v; want an error that says %q", server, err, c.says)
			}
		})
	}
}

// Package jwks finds the keys of tokens in a JSON Web Key Set (RFC 7517) that an
// identity provider publishes over HTTPS.
//
// Input is the address of the set, output a token.KeySource. The set is fetched
// when a key is first asked for, again when it is older than Config.Refresh, and
// when a token names a key that it lacks, but then at most once in
// Config.Pause, whatever strangers send. While fetching fails the last set goes
// on being believed until Config.Keep: an identity provider that is down must
// not end calls.
package jwks

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Config says where a set is and how often to look.
type Config struct {
	// URL of the set; https only, plain http for a loopback host.
	URL string
	// Refresh is how old a set may become before it is fetched anew.
	Refresh time.Duration
	// Pause is the least time between two fetches.
	Pause time.Duration
	// Keep is how long a set is believed that cannot be fetched anew.
	Keep time.Duration
	// Timeout bounds one fetch.
	Timeout time.Duration
	// Tenants gives keys, by their ids, to tenants; others belong to "".
	Tenants map[string]string
	// Transport is the way out; nil for the standard one.
	Transport http.RoundTripper
	Logger    *slog.Logger
}

// DefaultConfig answers what suits a provider that announces its keys a day ahead.
func DefaultConfig() Config {
	return Config{Refresh: 10 * time.Minute, Pause: 10 * time.Second, Keep: 24 * time.Hour, Timeout: 3 * time.Second}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("jwks: %q is no address of a key set", c.URL)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("jwks: a key set is fetched over https; whoever can change it on the way can sign tokens")
	case c.Refresh <= 0 || c.Pause <= 0 || c.Keep < c.Refresh || c.Timeout <= 0:
		return errors.New("jwks: want 0 < refresh <= keep, and a pause and a timeout above 0")
	}
	return nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// Source is a cached key set. Any goroutine may use it.
type Source struct {
	cfg      Config
	client   *http.Client
	fetching chan struct{} // holds one token: one fetch at a time

	mu      sync.Mutex
	keys    map[string]token.Key
	fetched time.Time // when keys came
	tried   time.Time // when a fetch last began
}

// New answers a source; nothing is fetched yet.
func New(cfg Config) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{
		cfg: cfg, fetching: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: cfg.Timeout, Transport: cfg.Transport,
			// A redirect could lead to a place that Validate has never seen.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Key implements token.KeySource. It may take as long as Config.Timeout when
// the set must be fetched.
func (s *Source) Key(now time.Time, id string) (token.Key, bool) {
	k, known, due := s.look(now, id)
	if !due {
		return k, known
	}
	s.fetching <- struct{}{}
	defer func() { <-s.fetching }()
	// Another may have fetched it meanwhile.
	if k, known, due = s.look(now, id); !due {
		return k, known
	}
	s.fetch(now)
	k, known, _ = s.look(now, id)
	return k, known
}

// look answers what the cache holds, and whether to fetch.
func (s *Source) look(now time.Time, id string) (k token.Key, known, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.fetched) <= s.cfg.Keep {
		k, known = s.keys[id]
	}
	stale := !known || now.Sub(s.fetched) > s.cfg.Refresh
	return k, known, stale && (s.tried.IsZero() || now.Sub(s.tried) >= s.cfg.Pause)
}

func (s *Source) fetch(now time.Time) {
	s.mu.Lock()
	s.tried = now
	s.mu.Unlock()
	keys, err := s.get()
	if err != nil {
		s.cfg.Logger.Warn("the key set for tokens could not be fetched; the last one is used while it may be", "error", err)
		return
	}
	for id, tenant := range s.cfg.Tenants {
		if k, ok := keys[id]; ok {
			k.Tenant = tenant
			keys[id] = k
		}
	}
	s.mu.Lock()
	s.keys, s.fetched = keys, now
	s.mu.Unlock()
}

func (s *Source) get() (map[string]token.Key, error) {
	response, err := s.client.Get(s.cfg.URL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with status %d", response.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	if err != nil {
		return nil, err
	}
	return Parse(b)
}

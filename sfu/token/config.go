package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// Limits of a configuration.
const (
	// DefaultLeeway forgives clocks that differ.
	DefaultLeeway = 30 * time.Second
	// MaxLeeway keeps an expiry from meaning nothing.
	MaxLeeway = 5 * time.Minute
	// maxKeys bounds a rotation gone wrong.
	maxKeys = 64
	// maxKeyID is the longest key id, in bytes.
	maxKeyID = 128
)

// Algorithm is how a key signs, by its name in RFC 7518 §3.1.
type Algorithm string

// HS256 is HMAC with SHA-256 and a shared secret.
const HS256 Algorithm = "HS256"

// Key is one key under which tokens are accepted, and perhaps made.
type Key struct {
	// ID is what a token's "kid" header, or else its "iss" claim, names.
	ID string
	// Algorithm is the only one accepted with this key; empty means HS256.
	Algorithm Algorithm
	// Secret is the shared secret of HS256.
	Secret secret.Secret
}

// Config says which tokens are believed.
type Config struct {
	// Keys are all accepted, so that a new one can be brought in before the
	// old one goes. At least one.
	Keys []Key
	// SigningKey is the id of the key that Sign uses; empty means the first.
	SigningKey string
	// Issuer, if not empty, is the "iss" that every token must carry and
	// that Sign writes. Empty: any issuer, and Sign writes the key's id.
	Issuer string
	// Leeway is how far clocks may differ at expiry and not-before, 0 to MaxLeeway.
	Leeway time.Duration
}

// DefaultConfig answers a configuration that lacks only its keys.
func DefaultConfig() Config { return Config{Leeway: DefaultLeeway} }

// Validate answers everything that is wrong with c, joined, or nil.
func (c Config) Validate() error {
	var problems []error
	if len(c.Keys) == 0 {
		problems = append(problems, errors.New("token: no key: make a secret with `rivulet token secret` and configure it"))
	}
	if len(c.Keys) > maxKeys {
		problems = append(problems, fmt.Errorf("token: %d keys, at most %d", len(c.Keys), maxKeys))
	}
	seen := make(map[string]bool, len(c.Keys))
	for i, key := range c.Keys {
		if key.ID == "" || len(key.ID) > maxKeyID {
			problems = append(problems, fmt.Errorf("token: key %d: id must have 1 to %d bytes", i, maxKeyID))
		}
		if seen[key.ID] {
			problems = append(problems, fmt.Errorf("token: two keys with id %q", key.ID))
		}
		seen[key.ID] = true
		if key.Algorithm != "" && key.Algorithm != HS256 {
			problems = append(problems, fmt.Errorf("token: key %q: algorithm %q is not supported, only %s", key.ID, key.Algorithm, HS256))
		}
		if key.Secret.IsZero() {
			problems = append(problems, fmt.Errorf("token: key %q: %w: none given: make one with `rivulet token secret`", key.ID, secret.ErrWeak))
		}
	}
	if c.SigningKey != "" && !seen[c.SigningKey] {
		problems = append(problems, fmt.Errorf("token: signing key %q is not among the keys", c.SigningKey))
	}
	if c.Leeway < 0 || c.Leeway > MaxLeeway {
		problems = append(problems, fmt.Errorf("token: leeway %v is not between 0 and %v", c.Leeway, MaxLeeway))
	}
	return errors.Join(problems...)
}

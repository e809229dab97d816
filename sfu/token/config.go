package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
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
	// maxTenant is the longest tenant, in bytes.
	maxTenant = 64
)

// Algorithm is how a key signs, by its name in RFC 7518 §3.1.
type Algorithm string

// The algorithms.
const (
	HS256 Algorithm = "HS256" // HMAC with SHA-256 and a shared secret
	EdDSA Algorithm = "EdDSA" // Ed25519 (RFC 8037 §3.1)
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
)

// Key is one key under which tokens are accepted, and perhaps made.
type Key struct {
	// ID is what a token's "kid" header, or else its "iss" claim, names.
	ID string
	// Algorithm is the only one accepted with this key; empty means HS256.
	Algorithm Algorithm
	// Secret is the shared secret of HS256.
	Secret secret.Secret
	// Public is the key of EdDSA (ed25519.PublicKey) or ES256
	// (*ecdsa.PublicKey on P-256).
	Public crypto.PublicKey
	// Private, if there is one, lets Sign use such a key; tests and tools only.
	Private crypto.PrivateKey
	// Tenant is whom tokens under this key belong to: rooms, users and calls of
	// different tenants never meet. Empty is a tenant like any other.
	Tenant string
}

// KeySource finds keys that are not configured one by one (package jwks). It
// may take as long as a request, bounded by itself.
type KeySource interface {
	// Key answers the key with an id at a time, false if there is none.
	Key(now time.Time, id string) (Key, bool)
}

// Config says which tokens are believed.
type Config struct {
	// Keys are all accepted, so that a new one can be brought in before the
	// old one goes. At least one.
	Keys []Key
	// Source finds further keys by the "kid" of a token; nil for none.
	Source KeySource
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
	if len(c.Keys) == 0 && c.Source == nil {
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
		if err := key.validate(); err != nil {
			problems = append(problems, fmt.Errorf("token: key %q: %w", key.ID, err))
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

// validate says what is wrong with the key's material for its algorithm.
func (k Key) validate() error {
	if len(k.Tenant) > maxTenant {
		return fmt.Errorf("tenant of %d bytes, at most %d", len(k.Tenant), maxTenant)
	}
	switch k.Algorithm {
	case "", HS256:
		if k.Secret.IsZero() {
			return fmt.Errorf("%w: none given: make one with `rivulet token secret`", secret.ErrWeak)
		}
	case EdDSA:
		if public, ok := k.Public.(ed25519.PublicKey); !ok || len(public) != ed25519.PublicKeySize {
			return errors.New("EdDSA needs an Ed25519 public key")
		}
	case ES256:
		if public, ok := k.Public.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
			return errors.New("ES256 needs a public key on the curve P-256")
		}
	default:
		return fmt.Errorf("algorithm %q is not supported, only %s, %s and %s", k.Algorithm, HS256, EdDSA, ES256)
	}
	return nil
}

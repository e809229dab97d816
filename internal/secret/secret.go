// Package secret holds the shared secrets from which tokens and relay
// passwords are made, so that none of them is weak and none is ever printed.
//
// Input is text from the operator's configuration; output is a Secret, which
// gives its bytes only to who asks for Bytes, and prints as "[redacted]" in
// every other way: fmt with any verb, slog, JSON, YAML. The minimum length is
// that of the hash of HS256 (RFC 7518 §3.2).
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

const (
	// MinLength is the fewest bytes a secret may have: the output size of
	// SHA-256, as RFC 7518 §3.2 demands of an HS256 key.
	MinLength = 32
	// MaxLength bounds what a configuration can make us hash per packet.
	MaxLength = 1024
	// minDistinct refuses padding such as "aaaa...". Thirty-two random
	// bytes, in whatever spelling, have more distinct symbols than this but
	// for one chance in millions.
	minDistinct = 8
	// generatedLength is the number of random bytes Generate draws.
	generatedLength = 32

	redacted = "[redacted]"
)

// ErrWeak is returned for a secret that could be guessed or is missing. The
// message says what is wrong and how to make a good one.
var ErrWeak = errors.New("weak secret")

// Secret is a checked shared secret. The zero value is "no secret".
//
// The bytes are behind a function because fmt prints the unexported fields of
// an enclosing struct without asking their methods, and follows pointers where
// the verb does not fit; of a function it can print the address alone.
type Secret struct {
	reveal func() []byte
}

// New checks text and wraps its bytes, as they stand, as a secret. It fails
// with ErrWeak when text is shorter than MinLength or is mere repetition; the
// error never contains the text.
func New(text string) (Secret, error) {
	if len(text) < MinLength {
		return Secret{}, fmt.Errorf("%w: %d bytes given, at least %d needed: make one with `rivulet token secret`", ErrWeak, len(text), MinLength)
	}
	if len(text) > MaxLength {
		return Secret{}, fmt.Errorf("secret of %d bytes is longer than the limit of %d", len(text), MaxLength)
	}
	var seen [256]bool
	distinct := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			distinct++
		}
	}
	if distinct < minDistinct {
		return Secret{}, fmt.Errorf("%w: only %d different characters: make one with `rivulet token secret`", ErrWeak, distinct)
	}
	b := []byte(text)
	return Secret{reveal: func() []byte { return b }}, nil
}

// Generate answers the text of a new random secret (43 characters of URL-safe
// base64), fit for New and for a configuration file.
func Generate() string {
	b := make([]byte, generatedLength)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// IsZero says whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Bytes answers the secret itself, nil if there is none. The caller must
// neither change nor print it.
func (s Secret) Bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// String hides the secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format hides the secret from every verb, %x and %#v included.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders (`rivulet config print`).
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a secret from configuration, with the checks of New.
// Empty text is "no secret".
func (s *Secret) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Secret{}
		return nil
	}
	parsed, err := New(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

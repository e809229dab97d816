package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Bounds of a key set.
const (
	maxSet  = 256 << 10 // bytes
	maxKeys = 64
	maxID   = 128 // bytes of a key id
)

// key is one JSON Web Key (RFC 7517 §4, RFC 7518 §6.2.1, RFC 8037 §2).
type key struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

// Parse answers the keys of a set (RFC 7517 §5) by which tokens can be
// verified; others are left out, as §5 demands. It fails on a set that is too
// large or none, or without any key of use.
func Parse(b []byte) (map[string]token.Key, error) {
	if len(b) > maxSet {
		return nil, fmt.Errorf("the key set has more than %d bytes", maxSet)
	}
	var set struct {
		Keys []key `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("the answer is no JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, at most %d", len(set.Keys), maxKeys)
	}
	keys := make(map[string]token.Key)
	for _, k := range set.Keys {
		ready, ok := k.ready()
		if _, twice := keys[k.ID]; ok && !twice {
			keys[k.ID] = ready
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key of Ed25519 or P-256 with an id")
	}
	return keys, nil
}

// ready answers a key of ours, false for one of another kind. A shared secret
// (kty oct) in a public place is none.
func (k key) ready() (token.Key, bool) {
	if k.ID == "" || len(k.ID) > maxID || (k.Use != "" && k.Use != "sig") {
		return token.Key{}, false
	}
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return token.Key{}, false
	}
	switch {
	case k.Type == "OKP" && k.Curve == "Ed25519" && k.fits(token.EdDSA, "Ed25519") && len(x) == ed25519.PublicKeySize:
		return token.Key{ID: k.ID, Algorithm: token.EdDSA, Public: ed25519.PublicKey(x)}, true
	case k.Type == "EC" && k.Curve == "P-256" && k.fits(token.ES256, "") && len(x) == 32:
		y, err := base64.RawURLEncoding.DecodeString(k.Y)
		if err != nil || len(y) != 32 {
			return token.Key{}, false
		}
		point := append(append([]byte{4}, x...), y...) // SEC 1 §2.3.3
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		return token.Key{ID: k.ID, Algorithm: token.ES256, Public: public}, err == nil
	}
	return token.Key{}, false
}

func (k key) fits(algorithm token.Algorithm, other string) bool {
	return k.Algorithm == "" || k.Algorithm == string(algorithm) || (other != "" && k.Algorithm == other)
}

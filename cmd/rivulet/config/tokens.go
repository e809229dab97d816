package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/token"
	"github.com/rivulet-rtc/rivulet/sfu/token/jwks"
)

// believes says whether there is anything by which a token could be judged.
func (a Auth) believes() bool { return len(a.Keys) > 0 || len(a.PublicKeys) > 0 || a.JWKS != "" }

// Tokens answers which tokens are believed. It reads the files of public keys;
// a key set is fetched when it is first needed, and what goes wrong then goes to
// log.
func (c Config) Tokens(log *slog.Logger) (token.Config, error) {
	t := token.DefaultConfig()
	t.Issuer, t.Leeway = c.Auth.Issuer, c.Auth.Leeway
	tenants, err := pairs("auth.tenants", c.Auth.Tenants)
	if err != nil {
		return t, err
	}
	for _, id := range slices.Sorted(maps.Keys(c.Auth.Keys)) {
		t.Keys = append(t.Keys, token.Key{ID: id, Secret: c.Auth.Keys[id], Tenant: tenants[id]})
	}
	files, err := pairs("auth.publicKeys", c.Auth.PublicKeys)
	if err != nil {
		return t, err
	}
	for _, id := range slices.Sorted(maps.Keys(files)) {
		key, err := publicKey(files[id])
		if err != nil {
			return t, fmt.Errorf("auth.publicKeys %q: %w", id, err)
		}
		key.ID, key.Tenant = id, tenants[id]
		t.Keys = append(t.Keys, key)
	}
	if c.Auth.JWKS == "" {
		return t, nil
	}
	set := jwks.DefaultConfig()
	set.URL, set.Tenants, set.Logger = c.Auth.JWKS, tenants, log
	source, err := jwks.New(set)
	if err != nil {
		return t, fmt.Errorf("auth.jwks: %w", err)
	}
	t.Source = source
	return t, nil
}

// pairs reads a list of id:value.
func pairs(path string, list []string) (map[string]string, error) {
	all := make(map[string]string, len(list))
	for i, entry := range list {
		id, value, found := strings.Cut(entry, ":")
		if id, value = strings.TrimSpace(id), strings.TrimSpace(value); !found || id == "" || value == "" {
			return nil, fmt.Errorf("%s: entry %d is not of the form id:value", path, i+1)
		}
		if _, twice := all[id]; twice {
			return nil, fmt.Errorf("%s: %q is there twice", path, id)
		}
		all[id] = value
	}
	return all, nil
}

// publicKey reads a public key in PEM.
func publicKey(name string) (token.Key, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return token.Key{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return token.Key{}, errors.New("the file holds no PUBLIC KEY in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return token.Key{}, err
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return token.Key{Algorithm: token.EdDSA, Public: public}, nil
	case *ecdsa.PublicKey:
		return token.Key{Algorithm: token.ES256, Public: public}, nil
	}
	return token.Key{}, errors.New("the key is neither Ed25519 nor P-256")
}

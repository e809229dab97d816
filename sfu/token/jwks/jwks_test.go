package jwks_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rivulet-rtc/rivulet/sfu/token"
	"github.com/rivulet-rtc/rivulet/sfu/token/jwks"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// provider is an identity provider: the transport of the source under test.
type provider struct {
	body    string
	status  int
	fail    error
	fetches int
}

func (p *provider) RoundTrip(*http.Request) (*http.Response, error) {
	p.fetches++
	if p.fail != nil {
		return nil, p.fail
	}
	return &http.Response{StatusCode: p.status, Header: http.Header{"Location": {"https://evil.example/keys"}}, Body: io.NopCloser(strings.NewReader(p.body))}, nil
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type keys struct {
	ed ed25519.PrivateKey
	ec *ecdsa.PrivateKey
}

func makeKeys(t *testing.T) (keys, string) {
	t.Helper()
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return keys{ed, ec}, fmt.Sprintf(`{"keys":[
		{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},
		{"kty":"oct","kid":"o","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
		{"kty":"OKP","crv":"Ed25519","kid":"e","alg":"EdDSA","x":%q},
		{"kty":"EC","crv":"P-256","kid":"c","use":"sig","x":%q,"y":%q},
		{"kty":"EC","crv":"P-256","kid":"off","x":%q,"y":%q}]}`,
		text(public), text(point[1:33]), text(point[33:]), text(point[1:33]), text(point[1:33]))
}

func source(t *testing.T, p *provider) *jwks.Source {
	t.Helper()
	cfg := jwks.DefaultConfig()
	cfg.URL, cfg.Transport, cfg.Tenants = "https://id.example/keys", p, map[string]string{"c": "acme"}
	s, err := jwks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t *testing.T, method jwt.SigningMethod, kid string, key any) string {
	t.Helper()
	raw := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "ann", "exp": start.Add(time.Hour).Unix(), "rivulet": map[string]any{"calls": true, "device": "phone"}})
	raw.Header["kid"] = kid
	signed, err := raw.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestTokensUnderKeysOfTheSet(t *testing.T) {
	k, set := makeKeys(t)
	cfg := token.DefaultConfig()
	cfg.Source = source(t, &provider{body: set, status: 200})
	v, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw    string
		want   error
		tenant string
	}{
		"EdDSA":                   {sign(t, jwt.SigningMethodEdDSA, "e", k.ed), nil, ""},
		"ES256":                   {sign(t, jwt.SigningMethodES256, "c", k.ec), nil, "acme"},
		"another's key":           {sign(t, jwt.SigningMethodEdDSA, "c", k.ed), token.ErrBadSignature, ""},
		"off the curve":           {sign(t, jwt.SigningMethodES256, "off", k.ec), token.ErrBadSignature, ""},
		"shared secret in public": {sign(t, jwt.SigningMethodHS256, "o", []byte("secretsecretsecretsecretsecret")), token.ErrBadSignature, ""},
		"public key as secret":    {sign(t, jwt.SigningMethodHS256, "e", []byte(k.ed.Public().(ed25519.PublicKey))), token.ErrBadSignature, ""},
		"unknown key":             {sign(t, jwt.SigningMethodEdDSA, "z", k.ed), token.ErrBadSignature, ""},
		"without a key id":        {sign(t, jwt.SigningMethodEdDSA, "", k.ed), token.ErrBadSignature, ""},
	} {
		g, err := v.Authenticate(start, c.raw)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil && (g.Identity != "ann" || g.Device != "phone" || g.Tenant != c.tenant) {
			t.Errorf("%s: grants %+v", name, g)
		}
		if _, err := v.Verify(start, c.raw); c.want == nil && !errors.Is(err, token.ErrNoJoin) {
			t.Errorf("%s: a token for calls opens a room: %v", name, err)
		}
	}
}

// Strangers who name keys that do not exist cannot make us fetch at their pace.
func TestUnknownKeysFetchSeldom(t *testing.T) {
	_, set := makeKeys(t)
	p := &provider{body: set, status: 200}
	s := source(t, p)
	for i := range 10_000 {
		s.Key(start.Add(time.Duration(i)*time.Millisecond), fmt.Sprint("k", i))
	}
	if p.fetches != 1 {
		t.Errorf("%d fetches for ten seconds of unknown keys, want 1", p.fetches)
	}
	if _, known := s.Key(start.Add(11*time.Second), "new"); known || p.fetches != 2 {
		t.Errorf("a key that is new after the pause: known %v after %d fetches, want 2", known, p.fetches)
	}
}

// A provider that is away, or answers nonsense, changes nothing for a day.
func TestKeysOutliveTheProvider(t *testing.T) {
	_, set := makeKeys(t)
	p := &provider{body: set, status: 200}
	s := source(t, p)
	if _, known := s.Key(start, "e"); !known {
		t.Fatal("the key was not found")
	}
	for i, broken := range []provider{
		{fail: errors.New("unreachable")}, {status: 500}, {status: 302}, {status: 200, body: "<html>"},
		{status: 200, body: `{"keys":[]}`}, {status: 200, body: strings.Repeat("[", 300_000)},
	} {
		*p = broken
		if _, known := s.Key(start.Add(time.Duration(i+1)*time.Hour), "e"); !known || p.fetches != 1 {
			t.Errorf("provider %d: known %v after %d fetches", i, known, p.fetches)
		}
	}
	if _, known := s.Key(start.Add(25*time.Hour), "e"); known {
		t.Error("a key is believed a day after the provider was last heard of")
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, u := range []string{"", "http://id.example/keys", "ftp://id.example/", "https://", "://"} {
		cfg := jwks.DefaultConfig()
		cfg.URL = u
		if _, err := jwks.New(cfg); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"c","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Add(bytes.Repeat([]byte("{"), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := jwks.Parse(b)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
	})
}

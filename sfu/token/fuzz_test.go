package token_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// FuzzVerify throws whole tokens at the verifier: whatever it accepts must be
// signed by us, so no input may get through but the seed that is.
func FuzzVerify(f *testing.F) {
	v := verifier(f, nil)
	good, err := v.Sign(now, token.Grants{Identity: "alice", Room: "kitchen", Join: true, ID: "x"}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add("e30.e30.")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(good + "=")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := v.Verify(now, raw); err == nil && raw != good {
			t.Fatalf("accepted a token nobody signed: %q", raw)
		}
	})
}

// FuzzClaims signs whatever claims come, so that the reading behind the
// signature is reached too: what is accepted must be usable as it is.
func FuzzClaims(f *testing.F) {
	v := verifier(f, nil)
	f.Add([]byte(`{"sub":"a","exp":1795440000,"video":{"room":"r","roomJoin":true,"canPublishSources":["camera"]}}`))
	f.Add([]byte(`{"sub":"a","exp":1e300,"nbf":-1e300,"video":{"room":"r","roomJoin":true}}`))
	f.Add([]byte(`{"exp":null,"video":null}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"aud":[1],"iat":"x"}`))
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := header + "." + base64.RawURLEncoding.EncodeToString(body)
		sum, err := jwt.SigningMethodHS256.Sign(text, []byte(textA))
		if err != nil {
			t.Fatal(err)
		}
		g, err := v.Verify(now, text+"."+base64.RawURLEncoding.EncodeToString(sum))
		if err != nil {
			return
		}
		if g.Identity == "" || g.Room == "" || !g.Join || !g.Expires.Add(token.DefaultLeeway).After(now) {
			t.Fatalf("accepted %q as %+v", body, g)
		}
		if g.Opens(g.Room) != nil || g.Opens(g.Room+"x") == nil {
			t.Fatalf("%+v opens the wrong rooms", g)
		}
	})
}

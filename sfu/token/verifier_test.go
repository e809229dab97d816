package token_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	textA = "test-key-a-0123456789abcdefghijklmnop"
	textB = "test-key-b-0123456789abcdefghijklmnop"
)

func mustSecret(t testing.TB, text string) secret.Secret {
	t.Helper()
	s, err := secret.New(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifier(t testing.TB, change func(*token.Config)) *token.Verifier {
	t.Helper()
	config := token.DefaultConfig()
	config.Keys = []token.Key{{ID: "a", Secret: mustSecret(t, textA)}}
	if change != nil {
		change(&config)
	}
	v, err := token.NewVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func twoKeys(t testing.TB) func(*token.Config) {
	return func(c *token.Config) {
		c.Keys = append(c.Keys, token.Key{ID: "b", Algorithm: token.HS256, Secret: mustSecret(t, textB)})
	}
}

// forge makes any token at all: any header, any claims, any key.
func forge(t testing.TB, method jwt.SigningMethod, header map[string]any, body map[string]any, key any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, jwt.MapClaims(body))
	for k, v := range header {
		tok.Header[k] = v
	}
	raw, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func body(change func(b, video map[string]any)) map[string]any {
	video := map[string]any{"room": "kitchen", "roomJoin": true}
	b := map[string]any{"sub": "alice", "exp": now.Add(time.Hour).Unix(), "video": video}
	if change != nil {
		change(b, video)
	}
	return b
}

func TestSignedGrantsComeBack(t *testing.T) {
	full := token.Grants{
		Identity: "alice", Name: "Alice \u00c5", Room: "kitchen", Join: true, Publish: true, Subscribe: true,
		Sources: []token.Source{token.Microphone, token.ScreenAudio}, Hidden: true, Admin: true,
		Metadata: "{\n\"a\":1}", ID: "t1",
	}
	cases := map[string]struct {
		in     token.Grants
		expect func(*token.Grants)
	}{
		"full":          {in: full},
		"all sources":   {in: token.Grants{Identity: "a", Room: "r", Join: true, Publish: true, Subscribe: true, ID: "x"}},
		"listener":      {in: token.Grants{Identity: "a", Room: "r", Join: true, Subscribe: true, ID: "x"}},
		"nothing":       {in: token.Grants{Identity: "a", Room: "r", Join: true, ID: "x"}},
		"no sources":    {in: token.Grants{Identity: "a", Room: "r", Join: true, Publish: true, Sources: []token.Source{}, ID: "x"}, expect: func(g *token.Grants) { g.Publish, g.Sources = false, nil }},
		"expiry is set": {in: token.Grants{Identity: "a", Room: "r", Join: true, ID: "x", Expires: now.Add(99 * time.Hour)}},
	}
	v := verifier(t, nil)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := v.Sign(now, c.in, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(now, raw)
			if err != nil {
				t.Fatal(err)
			}
			want := c.in
			want.Expires = now.Add(time.Hour)
			if c.expect != nil {
				c.expect(&want)
			}
			got.Expires = got.Expires.UTC()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
		})
	}
	one, _ := v.Sign(now, cases["listener"].in, time.Hour)
	g := cases["listener"].in
	g.ID = ""
	two, _ := v.Sign(now, g, time.Hour)
	three, _ := v.Sign(now, g, time.Hour)
	if one == two || two == three {
		t.Error("tokens without an id of their own are not unique")
	}
}

// Absent rights are allowed once roomJoin is true, as in LiveKit.
func TestAbsentRights(t *testing.T) {
	cases := map[string]struct {
		change                             func(b, video map[string]any)
		publish, subscribe, camera, screen bool
	}{
		"absent":              {func(_, _ map[string]any) {}, true, true, true, true},
		"null":                {func(_, v map[string]any) { v["canPublish"], v["canSubscribe"] = nil, nil }, true, true, true, true},
		"publish false":       {func(_, v map[string]any) { v["canPublish"] = false }, false, true, false, false},
		"subscribe false":     {func(_, v map[string]any) { v["canSubscribe"] = false }, true, false, true, true},
		"camera only":         {func(_, v map[string]any) { v["canPublishSources"] = []string{"camera"} }, true, true, true, false},
		"empty list":          {func(_, v map[string]any) { v["canPublishSources"] = []string{} }, true, true, true, true},
		"unknown source only": {func(_, v map[string]any) { v["canPublishSources"] = []string{"hologram"} }, true, true, false, false},
		"one source often": {func(_, v map[string]any) {
			v["canPublishSources"] = []string{"camera", "camera", "camera", "camera", "camera", "screen_share"}
		}, true, true, true, true},
		"false beats the list": {func(_, v map[string]any) {
			v["canPublish"], v["canPublishSources"] = false, []string{"camera"}
		}, false, true, false, false},
	}
	v := verifier(t, nil)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g, err := v.Verify(now, forge(t, jwt.SigningMethodHS256, nil, body(c.change), []byte(textA)))
			if err != nil {
				t.Fatal(err)
			}
			if g.Publish != c.publish || g.Subscribe != c.subscribe {
				t.Errorf("publish %v subscribe %v, want %v %v", g.Publish, g.Subscribe, c.publish, c.subscribe)
			}
			if g.MayPublish(token.Camera) != c.camera || g.MayPublish(token.ScreenShare) != c.screen {
				t.Errorf("camera %v screen %v, want %v %v", g.MayPublish(token.Camera), g.MayPublish(token.ScreenShare), c.camera, c.screen)
			}
			if g.Admin || g.Hidden {
				t.Error("an absent right of power was granted")
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := forge(t, jwt.SigningMethodHS256, nil, body(nil), []byte(textA))
	if _, err := verifier(t, nil).Verify(now, good); err != nil {
		t.Fatalf("the good token of this test is refused: %v", err)
	}
	parts := strings.Split(good, ".")
	sign := func(change func(b, video map[string]any)) string {
		return forge(t, jwt.SigningMethodHS256, nil, body(change), []byte(textA))
	}
	none := forge(t, jwt.SigningMethodNone, nil, body(nil), jwt.UnsafeAllowNoneSignatureType)
	header := func(h string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(h)) + "." + parts[1] + "." + parts[2]
	}
	long := strings.Repeat("x", 300)
	cases := map[string]struct {
		raw  string
		want error
	}{
		"empty":                {"", token.ErrMalformed},
		"one part":             {"abc", token.ErrMalformed},
		"four parts":           {good + ".x", token.ErrMalformed},
		"not base64":           {"!." + parts[1] + "." + parts[2], token.ErrMalformed},
		"header no JSON":       {header("{"), token.ErrMalformed},
		"too long":             {good + strings.Repeat("A", token.MaxLength), token.ErrMalformed},
		"signature cut":        {good[:len(good)-4], token.ErrBadSignature},
		"no signature":         {parts[0] + "." + parts[1] + ".", token.ErrBadSignature},
		"other key":            {forge(t, jwt.SigningMethodHS256, nil, body(nil), []byte(textB)), token.ErrBadSignature},
		"alg none":             {none, token.ErrBadSignature},
		"alg None":             {header(`{"alg":"None"}`), token.ErrBadSignature},
		"alg HS512":            {forge(t, jwt.SigningMethodHS512, nil, body(nil), []byte(textA)), token.ErrBadSignature},
		"alg RS256":            {header(`{"alg":"RS256"}`), token.ErrBadSignature},
		"alg missing":          {header(`{}`), token.ErrBadSignature},
		"alg not text":         {header(`{"alg":7}`), token.ErrBadSignature},
		"unknown kid":          {forge(t, jwt.SigningMethodHS256, map[string]any{"kid": "z"}, body(nil), []byte(textA)), token.ErrBadSignature},
		"kid not text":         {forge(t, jwt.SigningMethodHS256, map[string]any{"kid": []int{1}}, body(nil), []byte(textA)), token.ErrBadSignature},
		"no expiry":            {sign(func(b, _ map[string]any) { delete(b, "exp") }), token.ErrMalformed},
		"expiry no number":     {sign(func(b, _ map[string]any) { b["exp"] = "soon" }), token.ErrMalformed},
		"expired":              {sign(func(b, _ map[string]any) { b["exp"] = now.Add(-31 * time.Second).Unix() }), token.ErrExpired},
		"expired by the limit": {sign(func(b, _ map[string]any) { b["exp"] = now.Add(-30 * time.Second).Unix() }), token.ErrExpired},
		"not yet":              {sign(func(b, _ map[string]any) { b["nbf"] = now.Add(31 * time.Second).Unix() }), token.ErrNotYetValid},
		"claims of an array":   {sign(func(b, _ map[string]any) { b["video"] = []int{} }), token.ErrMalformed},
		"no video":             {sign(func(b, _ map[string]any) { delete(b, "video") }), token.ErrNoJoin},
		"join absent":          {sign(func(_, v map[string]any) { delete(v, "roomJoin") }), token.ErrNoJoin},
		"join false":           {sign(func(_, v map[string]any) { v["roomJoin"] = false }), token.ErrNoJoin},
		"admin without join":   {sign(func(_, v map[string]any) { delete(v, "roomJoin"); v["roomAdmin"] = true }), token.ErrNoJoin},
		"room absent":          {sign(func(_, v map[string]any) { delete(v, "room") }), token.ErrNoRoom},
		"room empty":           {sign(func(_, v map[string]any) { v["room"] = "" }), token.ErrNoRoom},
		"room long":            {sign(func(_, v map[string]any) { v["room"] = long }), token.ErrMalformed},
		"room with newline":    {sign(func(_, v map[string]any) { v["room"] = "a\nb" }), token.ErrMalformed},
		"identity absent":      {sign(func(b, _ map[string]any) { delete(b, "sub") }), token.ErrNoIdentity},
		"identity long":        {sign(func(b, _ map[string]any) { b["sub"] = long }), token.ErrMalformed},
		"name long":            {sign(func(b, _ map[string]any) { b["name"] = long }), token.ErrMalformed},
		"name with control":    {sign(func(b, _ map[string]any) { b["name"] = "a\u0085" }), token.ErrMalformed},
		"id long":              {sign(func(b, _ map[string]any) { b["jti"] = long }), token.ErrMalformed},
		"metadata long":        {sign(func(b, _ map[string]any) { b["metadata"] = strings.Repeat("m", token.MaxMetadata+1) }), token.ErrMalformed},
	}
	v := verifier(t, nil)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g, err := v.Verify(now, c.raw)
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify = %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(token.Grants{}, g); diff != "" {
				t.Errorf("grants beside an error:\n%s", diff)
			}
			if strings.Contains(err.Error(), textA) || (len(parts[1]) > 8 && strings.Contains(err.Error(), parts[1][:8])) {
				t.Errorf("error %q quotes the token or the key", err)
			}
		})
	}
}

func TestLeewayAndIssuer(t *testing.T) {
	v := verifier(t, func(c *token.Config) { c.Leeway, c.Issuer = 10*time.Second, "backend" })
	sign := func(change func(b, video map[string]any)) string {
		return forge(t, jwt.SigningMethodHS256, nil, body(func(b, video map[string]any) {
			b["iss"] = "backend"
			change(b, video)
		}), []byte(textA))
	}
	cases := map[string]struct {
		change func(b, video map[string]any)
		want   error
	}{
		"right issuer":        {func(_, _ map[string]any) {}, nil},
		"wrong issuer":        {func(b, _ map[string]any) { b["iss"] = "a" }, token.ErrWrongIssuer},
		"no issuer":           {func(b, _ map[string]any) { delete(b, "iss") }, token.ErrWrongIssuer},
		"no issuer or expiry": {func(b, _ map[string]any) { delete(b, "iss"); delete(b, "exp") }, token.ErrMalformed},
		"expired in leeway":   {func(b, _ map[string]any) { b["exp"] = now.Add(-9 * time.Second).Unix() }, nil},
		"expired beyond":      {func(b, _ map[string]any) { b["exp"] = now.Add(-11 * time.Second).Unix() }, token.ErrExpired},
		"early in leeway":     {func(b, _ map[string]any) { b["nbf"] = now.Add(9 * time.Second).Unix() }, nil},
		"early beyond":        {func(b, _ map[string]any) { b["nbf"] = now.Add(11 * time.Second).Unix() }, token.ErrNotYetValid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Verify(now, sign(c.change)); !errors.Is(err, c.want) {
				t.Errorf("Verify = %v, want %v", err, c.want)
			}
		})
	}
	raw, err := v.Sign(now, token.Grants{Identity: "a", Room: "r", Join: true}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(now, raw); err != nil {
		t.Errorf("own token refused under an issuer check: %v", err)
	}
}

func TestKeyRotation(t *testing.T) {
	old := verifier(t, nil)
	both := verifier(t, twoKeys(t))
	next := verifier(t, func(c *token.Config) { twoKeys(t)(c); c.SigningKey = "b" })
	onlyB := verifier(t, func(c *token.Config) { twoKeys(t)(c); c.Keys = c.Keys[1:] })
	g := token.Grants{Identity: "a", Room: "r", Join: true}
	sign := func(v *token.Verifier) string {
		raw, err := v.Sign(now, g, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	liveKit := func(issuer, key string) string {
		return forge(t, jwt.SigningMethodHS256, nil, body(func(b, _ map[string]any) { b["iss"] = issuer }), []byte(key))
	}
	cases := []struct {
		name string
		v    *token.Verifier
		raw  string
		want error
	}{
		{"old key at both", both, sign(old), nil},
		{"new key at both", both, sign(next), nil},
		{"new key at old", old, sign(next), token.ErrBadSignature},
		{"old key at new", onlyB, sign(old), token.ErrBadSignature},
		{"issuer names a", both, liveKit("a", textA), nil},
		{"issuer names b", both, liveKit("b", textB), nil},
		{"issuer names the other", both, liveKit("a", textB), token.ErrBadSignature},
		{"issuer unknown, two keys", both, liveKit("elsewhere", textA), token.ErrBadSignature},
		{"issuer unknown, one key", old, liveKit("elsewhere", textA), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.v.Verify(now, c.raw); !errors.Is(err, c.want) {
				t.Errorf("Verify = %v, want %v", err, c.want)
			}
		})
	}
}

func TestOpens(t *testing.T) {
	cases := []struct {
		g    token.Grants
		room string
		want error
	}{
		{token.Grants{Room: "a", Join: true}, "a", nil},
		{token.Grants{Room: "a", Join: true}, "b", token.ErrWrongRoom},
		{token.Grants{Room: "a", Join: true}, "", token.ErrWrongRoom},
		{token.Grants{Room: "", Join: true}, "", token.ErrWrongRoom},
		{token.Grants{Room: "", Join: true}, "a", token.ErrWrongRoom},
		{token.Grants{Room: "a"}, "a", token.ErrNoJoin},
	}
	for _, c := range cases {
		if err := c.g.Opens(c.room); !errors.Is(err, c.want) {
			t.Errorf("%+v opens %q = %v, want %v", c.g, c.room, err, c.want)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	v := verifier(t, nil)
	good := token.Grants{Identity: "a", Room: "r", Join: true}
	cases := map[string]struct {
		g    token.Grants
		ttl  time.Duration
		want error
	}{
		"no ttl":         {good, 0, nil},
		"negative ttl":   {good, -time.Hour, nil},
		"no join":        {token.Grants{Identity: "a", Room: "r"}, time.Hour, token.ErrNoJoin},
		"no room":        {token.Grants{Identity: "a", Join: true}, time.Hour, token.ErrNoRoom},
		"no identity":    {token.Grants{Room: "r", Join: true}, time.Hour, token.ErrNoIdentity},
		"invalid UTF-8":  {token.Grants{Identity: "\xff", Room: "r", Join: true}, time.Hour, token.ErrMalformed},
		"too long":       {token.Grants{Identity: "a", Room: "r", Join: true, Metadata: strings.Repeat("\x00", token.MaxMetadata)}, time.Hour, token.ErrMalformed},
		"unknown source": {token.Grants{Identity: "a", Room: "r", Join: true, Publish: true, Sources: []token.Source{"hologram"}}, time.Hour, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := v.Sign(now, c.g, c.ttl)
			if err == nil || raw != "" {
				t.Fatalf("Sign = %q, %v", raw, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Sign = %v, want %v", err, c.want)
			}
		})
	}
}

// TestClocksFiveMinutesApart: with the widest leeway a backend whose clock is five
// minutes fast or slow is understood, and one that is further off is not.
func TestClocksFiveMinutesApart(t *testing.T) {
	const apart = 5 * time.Minute
	for name, tt := range map[string]struct {
		leeway, clock, ttl time.Duration // the clock of who signs, against the server's
		want               error
	}{
		"fast, widest leeway":                    {apart, apart - time.Second, time.Hour, nil},
		"slow, and expired by it":                {apart, -apart - time.Minute + time.Second, time.Minute, nil},
		"faster than the leeway":                 {apart, apart + 2*time.Second, time.Hour, token.ErrNotYetValid},
		"slower than the leeway":                 {apart, -apart - time.Minute - 2*time.Second, time.Minute, token.ErrExpired},
		"fast, usual leeway":                     {30 * time.Second, apart, time.Hour, token.ErrNotYetValid},
		"slow, usual leeway, short":              {30 * time.Second, -apart, time.Minute, token.ErrExpired},
		"slow, usual leeway, a token of an hour": {30 * time.Second, -apart, time.Hour, nil},
	} {
		v := verifier(t, func(c *token.Config) { c.Leeway = tt.leeway })
		raw, err := v.Sign(now.Add(tt.clock), token.Grants{Identity: "ann", Room: "r", Join: true}, tt.ttl)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(now, raw); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

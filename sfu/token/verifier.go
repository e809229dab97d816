package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// key is a Key made ready: the method is fixed, whatever a token may say.
// Another algorithm needs its method here and its material from a Key.
type key struct {
	id     string
	tenant string
	method jwt.SigningMethod
	verify any // what method.Verify takes
	sign   any // what method.Sign takes; nil for a key that only verifies
}

// Verifier checks tokens, and signs them for tests, tools and developers. It
// never changes after NewVerifier, so any goroutine may use it.
type Verifier struct {
	keys    map[string]key
	source  KeySource
	only    string // id of the single key, if there is just one
	methods []string
	signing key
	issuer  string
	leeway  time.Duration
}

// NewVerifier answers a verifier for config, or what Validate finds wrong.
func NewVerifier(config Config) (*Verifier, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	v := &Verifier{
		keys:    make(map[string]key, len(config.Keys)),
		source:  config.Source,
		methods: []string{string(HS256), string(EdDSA), string(ES256)},
		issuer:  config.Issuer,
		leeway:  config.Leeway,
	}
	for _, k := range config.Keys {
		v.keys[k.ID] = k.ready()
	}
	if len(config.Keys) == 1 && config.Source == nil {
		v.only = config.Keys[0].ID
	}
	signing := config.SigningKey
	if signing == "" && len(config.Keys) > 0 {
		signing = config.Keys[0].ID
	}
	v.signing = v.keys[signing]
	return v, nil
}

// ready fixes the method of a key that is valid.
func (k Key) ready() key {
	r := key{id: k.ID, tenant: k.Tenant}
	switch k.Algorithm {
	case EdDSA:
		r.method, r.verify = jwt.SigningMethodEdDSA, k.Public
	case ES256:
		r.method, r.verify = jwt.SigningMethodES256, k.Public
	default:
		r.method, r.verify, r.sign = jwt.SigningMethodHS256, k.Secret.Bytes(), k.Secret.Bytes()
	}
	if k.Private != nil {
		r.sign = k.Private
	}
	return r
}

// Format keeps fmt from walking into the keys.
func (v *Verifier) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "token.Verifier(%d keys)", len(v.keys))
}

// LogValue keeps slog from walking into the keys.
func (v *Verifier) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("keys", len(v.keys)), slog.String("issuer", v.issuer))
}

// Verify answers what the token raw allows at the time now. Without an error
// the grants name an identity and a room and allow joining it. The error wraps
// one of the sentinels of this package; a forged token is never told more than
// ErrMalformed or ErrBadSignature.
func (v *Verifier) Verify(now time.Time, raw string) (Grants, error) {
	g, err := v.read(now, raw)
	if err == nil {
		err = g.room()
	}
	if err != nil {
		return Grants{}, err
	}
	return g, nil
}

// Authenticate is Verify for the call plane: without an error the grants are a
// backend's, or name an identity that may ring and be rung.
func (v *Verifier) Authenticate(now time.Time, raw string) (Grants, error) {
	g, err := v.read(now, raw)
	if err == nil {
		err = g.calls()
	}
	if err != nil {
		return Grants{}, err
	}
	return g, nil
}

// read answers what a token says that is signed, in time and within bounds.
func (v *Verifier) read(now time.Time, raw string) (Grants, error) {
	if len(raw) > MaxLength {
		return Grants{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxLength)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(v.methods),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(v.leeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
	}
	if v.issuer != "" {
		options = append(options, jwt.WithIssuer(v.issuer))
	}
	body, tenant := &claims{}, ""
	keyFor := func(t *jwt.Token) (any, error) {
		k, err := v.keyFor(now, t)
		tenant = k.tenant
		return k.verify, err
	}
	if _, err := jwt.NewParser(options...).ParseWithClaims(raw, body, keyFor); err != nil {
		return Grants{}, refusal(err, body)
	}
	g := body.grants()
	g.Tenant = tenant
	if err := g.check(); err != nil {
		return Grants{}, err
	}
	return g, nil
}

// keyFor finds the key a token names: by its "kid" header (RFC 7515 §4.1.4),
// else by its issuer as LiveKit does, else the only key there is. It never tries
// keys in turn.
func (v *Verifier) keyFor(now time.Time, t *jwt.Token) (key, error) {
	id := v.only
	if named, present := t.Header["kid"]; present {
		text, _ := named.(string)
		id = text
	} else if body, ok := t.Claims.(*claims); ok && body.Issuer != "" {
		if _, known := v.keys[body.Issuer]; known {
			id = body.Issuer
		}
	}
	k, known := v.keys[id]
	if !known && v.source != nil && id != "" && len(id) <= maxKeyID {
		var found Key
		if found, known = v.source.Key(now, id); known {
			known = found.validate() == nil
			k = found.ready()
		}
	}
	if !known || t.Method.Alg() != k.method.Alg() {
		return key{}, ErrBadSignature
	}
	return k, nil
}

// refusal turns the library's error into ours. The library's text is dropped:
// it can quote the token. Its checks run in this order, and claims are looked
// at only under a good signature.
func refusal(err error, body *claims) error {
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return ErrBadSignature
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return ErrNotYetValid
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && body.ExpiresAt == nil:
		return fmt.Errorf("%w: no expiry", ErrMalformed)
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return ErrWrongIssuer
	}
	return ErrMalformed
}

// Sign makes a token for g that is valid from now for ttl, under the signing
// key. It refuses what Verify would refuse, and a ttl that is not positive.
func (v *Verifier) Sign(now time.Time, g Grants, ttl time.Duration) (string, error) {
	if ttl < time.Second {
		return "", fmt.Errorf("sign token: lifetime %v is under a second", ttl)
	}
	if v.signing.sign == nil {
		return "", errors.New("sign token: the signing key has no private part")
	}
	err := g.check()
	if err == nil && !g.Calls && !g.Backend {
		err = g.room()
	}
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	for _, source := range g.Sources {
		if !source.known() {
			return "", fmt.Errorf("sign token: unknown source %q", source)
		}
	}
	if g.ID == "" {
		g.ID = rand.Text()
	}
	issuer := v.issuer
	if issuer == "" {
		issuer = v.signing.id
	}
	t := jwt.NewWithClaims(v.signing.method, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   g.Identity,
			ID:        g.ID,
			NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Name:     g.Name,
		Metadata: g.Metadata,
		Video:    videoOf(g),
		Rivulet:  callOf(g),
	})
	t.Header["kid"] = v.signing.id
	raw, err := t.SignedString(v.signing.sign)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(raw) > MaxLength {
		return "", fmt.Errorf("sign token: %w: %d bytes, at most %d", ErrMalformed, len(raw), MaxLength)
	}
	return raw, nil
}

package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	pion "github.com/pion/turn/v5"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

const (
	// maxCredentialID is the longest opaque id, in bytes.
	maxCredentialID = 64
	// maxUsername bounds "expiry:id".
	maxUsername = 20 + 1 + maxCredentialID
)

// Credentials let a client allocate and refresh until Expires.
type Credentials struct {
	// Username is "expiry:id": seconds since 1970, a colon, the opaque id.
	Username string
	// Password is base64(HMAC-SHA1(secret, Username)).
	Password string
	// Expires is the moment after which no request is accepted. The last
	// allocation lives on until its lifetime ends, but its permissions only
	// for five minutes: give a lifetime longer than a call.
	Expires time.Time
}

// Format keeps fmt from printing the password.
func (c Credentials) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "turn.Credentials(expires %s)", c.Expires.UTC().Format(time.RFC3339))
}

// LogValue keeps slog from printing the password.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(slog.Time("expires", c.Expires))
}

// IssueCredentials makes credentials for the holder of id, valid from now for
// ttl (draft-uberti-behave-turn-rest-00 §2.2). The id is what quotas count by; it
// travels in the clear and lands in logs, so it must be opaque: no name, no
// number, nothing personal. It fails if the secret is missing, ttl is under a
// second, or id is not 1 to 64 printable ASCII characters without a colon.
func IssueCredentials(now time.Time, key secret.Secret, id string, ttl time.Duration) (Credentials, error) {
	if key.IsZero() {
		return Credentials{}, fmt.Errorf("issue relay credentials: %w: none given", secret.ErrWeak)
	}
	if ttl < time.Second {
		return Credentials{}, fmt.Errorf("issue relay credentials: lifetime %v is under a second", ttl)
	}
	if !validCredentialID(id) {
		return Credentials{}, errors.New("issue relay credentials: the id must be 1 to 64 printable ASCII characters without a colon")
	}
	expires := now.Add(ttl).Unix()
	username := strconv.FormatInt(expires, 10) + ":" + id
	return Credentials{
		Username: username,
		Password: password(key, username),
		Expires:  time.Unix(expires, 0),
	}, nil
}

// password is the HMAC that the draft prescribes. pion's own helpers read the
// clock themselves, so only its key derivation is used here.
func password(key secret.Secret, username string) string {
	mac := hmac.New(sha1.New, key.Bytes())
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Why a username is refused.
var (
	errBadUsername = errors.New("username is not of the form expiry:id")
	errExpired     = errors.New("credentials have expired")
)

// parseUsername takes "expiry:id" apart. It wraps errBadUsername.
func parseUsername(username string) (expires time.Time, id string, err error) {
	if len(username) > maxUsername {
		return time.Time{}, "", errBadUsername
	}
	digits, id, found := strings.Cut(username, ":")
	if !found || !validCredentialID(id) || len(digits) == 0 || len(digits) > 12 {
		return time.Time{}, "", errBadUsername
	}
	var seconds int64
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' {
			return time.Time{}, "", errBadUsername
		}
		seconds = seconds*10 + int64(d-'0')
	}
	return time.Unix(seconds, 0), id, nil
}

// authorize answers the id and the long-term key (RFC 8489 §9.2.2) behind a
// username at the time now, or errBadUsername or errExpired. Whether the client
// holds that key is for MESSAGE-INTEGRITY to show.
func authorize(now time.Time, shared secret.Secret, realm, username string) (id string, key []byte, err error) {
	expires, id, err := parseUsername(username)
	if err != nil {
		return "", nil, err
	}
	if !now.Before(expires) {
		return "", nil, errExpired
	}
	return id, pion.GenerateAuthKey(username, realm, password(shared, username)), nil
}

// validCredentialID says whether id may stand behind the colon of a username.
func validCredentialID(id string) bool {
	if id == "" || len(id) > maxCredentialID {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return true
}

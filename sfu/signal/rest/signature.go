package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// The headers of a webhook. The signature is over the timestamp, a dot and the
// body: "v1=" and HMAC-SHA-256 in hexadecimal; several stand beside each other,
// with commas, while a secret is being replaced.
const (
	TimestampHeader = "Rivulet-Timestamp" // seconds since 1970, of this attempt
	SignatureHeader = "Rivulet-Signature"
	DeliveryHeader  = "Rivulet-Delivery" // the same for each attempt
)

// Window is how old or how far ahead a webhook's timestamp may be: clocks differ.
const Window = 5 * time.Minute

// maxSeen bounds the signatures that a Receiver remembers.
const maxSeen = 100_000

// Delivery is the body of a webhook.
type Delivery struct {
	Version int `json:"version"`
	// Events in the order of their numbers; a gap to those before tells how many
	// were lost because nobody took them.
	Events []signal.Event `json:"events"`
}

// What a Receiver refuses.
var (
	ErrSignature = errors.New("webhook: the signature is missing or wrong")
	ErrStale     = errors.New("webhook: the timestamp is out of the window: an old request, or clocks that differ")
	ErrReplayed  = errors.New("webhook: this request has come before")
)

// sign answers the signature of a body under one secret.
func sign(s secret.Secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, s.Bytes())
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Receiver judges webhooks, for receivers written in Go. Any goroutine may use it.
type Receiver struct {
	secret secret.Secret

	mu   sync.Mutex
	seen map[string]time.Time // signatures, until when
}

// NewReceiver answers a receiver of webhooks under a secret.
func NewReceiver(s secret.Secret) *Receiver {
	return &Receiver{secret: s, seen: make(map[string]time.Time)}
}

// Receive answers the events of a webhook that is signed, fresh and new.
func (r *Receiver) Receive(now time.Time, header http.Header, body []byte) (*Delivery, error) {
	timestamp := header.Get(TimestampHeader)
	want := sign(r.secret, timestamp, body)
	signed := false
	for given := range strings.SplitSeq(header.Get(SignatureHeader), ",") {
		if subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(want)) == 1 {
			signed = true
		}
	}
	if !signed {
		return nil, ErrSignature
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if age := now.Sub(time.Unix(seconds, 0)); err != nil || age > Window || age < -Window {
		return nil, ErrStale
	}
	if !r.first(now, want) {
		return nil, ErrReplayed
	}
	var d Delivery
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// first says whether a signature has not been seen within the window.
func (r *Receiver) first(now time.Time, signature string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if until, known := r.seen[signature]; known && now.Before(until) {
		return false
	}
	if len(r.seen) >= maxSeen {
		for s, until := range r.seen {
			if !now.Before(until) {
				delete(r.seen, s)
			}
		}
		if len(r.seen) >= maxSeen {
			return false // better none than twice
		}
	}
	r.seen[signature] = now.Add(2 * Window)
	return true
}

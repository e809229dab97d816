// Package token decides who may do what in which room, from a signed token.
//
// A backend signs, Rivulet verifies: input is the compact form of a JSON Web
// Token (RFC 7519, RFC 7515 §3.1) and the time, output are Grants or an error
// to branch on. The claims carry the names that LiveKit uses, so that a backend
// and its libraries need no change:
//
//	{
//	  "iss": "key id",            // which key, when the header names none
//	  "sub": "alice",             // identity, required
//	  "name": "Alice",            // shown to others
//	  "exp": 1767225600,          // required
//	  "nbf": 1767222000,
//	  "jti": "opaque",
//	  "metadata": "any text",
//	  "video": {
//	    "room": "kitchen",        // required; empty never means any room
//	    "roomJoin": true,         // required
//	    "canPublish": true,       // absent: allowed
//	    "canSubscribe": true,     // absent: allowed
//	    "canPublishSources": ["microphone"],  // absent or empty: all
//	    "hidden": false,
//	    "roomAdmin": false
//	  },
//	  "rivulet": {                // the call plane: Authenticate reads it
//	    "calls": true,            // sub may ring and be rung
//	    "device": "phone",        // of sub; absent: as the client says
//	    "backend": false          // acts for every user and room of its tenant
//	  }
//	}
//
// An absent canPublish, canSubscribe or canPublishSources allows, as in LiveKit:
// it is roomJoin that opens the door. A list that names only sources unknown
// here allows none.
//
// The algorithm belongs to the key and never to the token (RFC 8725 §3.1):
// a token that names another algorithm, or "none", is refused before its
// signature is looked at.
package token

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of what a token may carry, in bytes.
const (
	// MaxLength is the longest token in its compact form.
	MaxLength = 8 << 10
	// MaxIdentity is the longest identity.
	MaxIdentity = 128
	// MaxName is the longest display name.
	MaxName = 256
	// MaxRoom is the longest room name.
	MaxRoom = 128
	// MaxDevice is the longest device.
	MaxDevice = 64
	// MaxMetadata is the longest metadata.
	MaxMetadata = 4 << 10
)

// Source is a kind of track, by its name in the claims.
type Source string

// The sources that may be granted one by one.
const (
	Camera      Source = "camera"
	Microphone  Source = "microphone"
	ScreenShare Source = "screen_share"
	ScreenAudio Source = "screen_share_audio"
)

// known says whether s is a source of ours.
func (s Source) known() bool {
	return s == Camera || s == Microphone || s == ScreenShare || s == ScreenAudio
}

// Grants is what a token allows its bearer.
type Grants struct {
	// Identity is unique within the room; never empty, at most MaxIdentity bytes.
	Identity string
	// Name is shown to others; may be empty, at most MaxName bytes.
	Name string
	// Room is the one room the token opens; never empty, at most MaxRoom bytes.
	Room string
	// Join allows entering Room. Verify answers no grants without it.
	Join bool
	// Publish allows sending tracks, of the kinds in Sources.
	Publish bool
	// Subscribe allows receiving tracks.
	Subscribe bool
	// Sources are the kinds of track that may be published: nil means all,
	// empty means none. Without Publish it means nothing.
	Sources []Source
	// Hidden keeps the bearer out of the others' list of participants.
	Hidden bool
	// Admin allows removing and muting others in Room.
	Admin bool
	// Tenant is whom the token's key belongs to; never from the token itself.
	Tenant string
	// Calls allows Identity to ring and be rung, on Device if that is not empty.
	Calls bool
	// Device is at most MaxDevice bytes.
	Device string
	// Backend allows everything to every user and room of Tenant.
	Backend bool
	// Metadata is passed on as it is; at most MaxMetadata bytes.
	Metadata string
	// ID is the token's own id ("jti"), empty if it has none. Sign draws one
	// when it is empty.
	ID string
	// Expires is when the token ends. Verify sets it; Sign takes its ttl instead.
	Expires time.Time
}

// MayPublish says whether a track of that kind may be sent.
func (g Grants) MayPublish(source Source) bool {
	return g.Publish && (g.Sources == nil || slices.Contains(g.Sources, source))
}

// Opens answers nil if g allows entering that room, ErrNoJoin or ErrWrongRoom
// otherwise.
func (g Grants) Opens(room string) error {
	switch {
	case !g.Join:
		return ErrNoJoin
	case g.Room == "" || g.Room != room:
		return ErrWrongRoom
	}
	return nil
}

// room answers an error that wraps ErrNoJoin, ErrNoRoom or ErrNoIdentity unless
// g opens a room.
func (g Grants) room() error {
	switch {
	case !g.Join:
		return ErrNoJoin
	case g.Room == "":
		return ErrNoRoom
	case g.Identity == "":
		return ErrNoIdentity
	}
	return nil
}

// calls answers an error that wraps ErrNoCalls or ErrNoIdentity unless g opens
// the call plane.
func (g Grants) calls() error {
	switch {
	case g.Backend:
		return nil
	case !g.Calls:
		return ErrNoCalls
	case g.Identity == "":
		return ErrNoIdentity
	}
	return nil
}

// check answers an error that wraps ErrMalformed unless g may stand in a token.
func (g Grants) check() error {
	if err := checkText("identity", g.Identity, MaxIdentity); err != nil {
		return err
	}
	if err := checkText("name", g.Name, MaxName); err != nil {
		return err
	}
	if err := checkText("room", g.Room, MaxRoom); err != nil {
		return err
	}
	if err := checkText("device", g.Device, MaxDevice); err != nil {
		return err
	}
	if err := checkText("id", g.ID, MaxName); err != nil {
		return err
	}
	if len(g.Metadata) > MaxMetadata {
		return fmt.Errorf("%w: metadata of %d bytes, at most %d", ErrMalformed, len(g.Metadata), MaxMetadata)
	}
	return nil
}

// checkText refuses what would break a log line, a header or a page.
func checkText(field, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrMalformed, field, len(text), limit)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrMalformed, field)
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: %s contains a control character", ErrMalformed, field)
		}
	}
	return nil
}

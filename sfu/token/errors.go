package token

import "errors"

// What Verify and Sign refuse, to branch on with errors.Is. No message holds
// any part of a token or a key.
var (
	// ErrMalformed: not a token at all, too long, a claim of the wrong type
	// or length, or no expiry.
	ErrMalformed = errors.New("token is malformed")
	// ErrBadSignature: not signed by a key of ours with the key's own
	// algorithm. A forged and an unknown key are not told apart.
	ErrBadSignature = errors.New("token signature is not valid")
	// ErrExpired: the expiry is past, leeway included.
	ErrExpired = errors.New("token has expired")
	// ErrNotYetValid: the not-before time is ahead, leeway included.
	ErrNotYetValid = errors.New("token is not valid yet")
	// ErrWrongIssuer: a certain issuer is demanded and this is another one.
	ErrWrongIssuer = errors.New("token has another issuer")
	// ErrNoIdentity: "sub" is empty.
	ErrNoIdentity = errors.New("token names no identity")
	// ErrNoRoom: "video.room" is empty.
	ErrNoRoom = errors.New("token names no room")
	// ErrNoJoin: "video.roomJoin" is not true.
	ErrNoJoin = errors.New("token does not allow joining")
	// ErrNoCalls: neither "rivulet.calls" nor "rivulet.backend" is true.
	ErrNoCalls = errors.New("token does not allow calls")
	// ErrWrongRoom: the token opens another room.
	ErrWrongRoom = errors.New("token is for another room")
)

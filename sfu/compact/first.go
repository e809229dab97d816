package compact

import (
	"encoding/base64"
	"strings"
)

// A client that knows what it will say first says it with the request that opens
// the WebSocket, which saves the round trip of opening it. Browsers let a page
// choose nothing of that request but the names of subprotocols, so a message
// travels as one (RFC 6455 §4.1 allows any token of RFC 9110 §5.6.2):
//
//	Sec-WebSocket-Protocol: rivulet.v1.compact.1.first, rivulet.v1.compact.1, rivulet.v1, rivulet.first.<message>
//
// <message> is what Form.Encode makes, in base64 for URLs without padding. Several are
// taken in their order. A server that takes them chooses FirstSubprotocol; with
// any other choice nothing was said yet, and the client says it again.

const (
	// firstPrefix marks a name that is a message.
	firstPrefix = "rivulet.first."
	// MaxFirst is how many messages a request may carry: connect and join.
	MaxFirst = 2
	// MaxFirstSize bounds all of them in bytes, in base64: proxies bound a line
	// of a header, most of them at 8 kB.
	MaxFirstSize = 6 << 10
)

// Token answers the subprotocol's name that carries an encoded message.
func Token(encoded []byte) string { return firstPrefix + base64.RawURLEncoding.EncodeToString(encoded) }

// First answers the encoded messages among the names of subprotocols; ok is false
// when there are none, too many, too much, or one that is not in base64.
func First(names []string) (encoded [][]byte, ok bool) {
	size := 0
	for _, name := range names {
		text, is := strings.CutPrefix(name, firstPrefix)
		if !is {
			continue
		}
		b, err := base64.RawURLEncoding.DecodeString(text)
		if size += len(text); err != nil || size > MaxFirstSize || len(encoded) == MaxFirst {
			return nil, false
		}
		encoded = append(encoded, b)
	}
	return encoded, len(encoded) > 0
}

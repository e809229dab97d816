package ws

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// acceptOptions chooses the form in which messages travel: compact for clients
// that offer it, otherwise text with permessage-deflate. first are messages that
// came with the request, which are taken when the client offers that.
func acceptOptions(r *http.Request, origins []string) (o *websocket.AcceptOptions, first [][]byte) {
	o = &websocket.AcceptOptions{
		OriginPatterns: origins,
		// Keeping a window for each client would cost 1.2 MB a connection.
		CompressionMode: websocket.CompressionNoContextTakeover,
	}
	var offered []string
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(name))
		}
	}
	said, some := compact.First(offered)
	for _, f := range compact.Forms {
		if some && first == nil && slices.Contains(offered, f.First) {
			first = said
			o.Subprotocols = append(o.Subprotocols, f.First)
		}
	}
	for _, f := range compact.Forms {
		o.Subprotocols = append(o.Subprotocols, f.Subprotocol)
		if slices.Contains(offered, f.Subprotocol) {
			o.CompressionMode = websocket.CompressionDisabled // it is compressed already
		}
	}
	o.Subprotocols = append(o.Subprotocols, compact.PlainSubprotocol)
	return o, first
}

// seal answers the frame of a message.
func (c *connection) seal(message any) (websocket.MessageType, []byte, error) {
	if reply, ok := message.(replyMessage); ok && c.compact != nil {
		switch body := reply.body.(type) {
		case *signal.Joined:
			short := *body // the engine keeps the reply for a repeated command
			short.Answer = compact.SDP(short.Answer)
			message = replyMessage{id: reply.id, body: &short}
		case *signal.Restarted:
			short := *body
			short.Answer = compact.SDP(short.Answer)
			message = replyMessage{id: reply.id, body: &short}
		}
	}
	b, err := json.Marshal(message)
	if err != nil || c.compact == nil {
		return websocket.MessageText, b, err
	}
	return websocket.MessageBinary, c.compact.Encode(b), nil
}

// unseal answers the JSON of a frame, nil when it is not in the form agreed.
func (c *connection) unseal(kind websocket.MessageType, b []byte) []byte {
	if c.compact == nil {
		if kind != websocket.MessageText {
			return nil
		}
		return b
	}
	if kind != websocket.MessageBinary {
		return nil
	}
	message, err := c.compact.Decode(b, signal.MaxMessageSize)
	if err != nil {
		return nil
	}
	return message
}

// unreadable says what form was agreed.
func (c *connection) unreadable() *signal.Error {
	if c.compact != nil {
		return signal.Errorf(signal.BadMessage, "messages are binary frames: JSON of at most %d bytes as raw DEFLATE with the dictionary of %s", signal.MaxMessageSize, c.compact.Subprotocol)
	}
	return signal.Errorf(signal.BadMessage, "messages are text frames with JSON")
}

// expand writes the offer of a command out.
func (c *connection) expand(body signal.Body) error {
	if c.compact == nil {
		return nil
	}
	var offer *string
	switch body := body.(type) {
	case *signal.Join:
		offer = &body.Offer
	case *signal.Restart:
		offer = &body.Offer
	default:
		return nil
	}
	whole, _, err := compact.Expand(*offer, signal.MaxOfferSize)
	if err != nil {
		return signal.Errorf(signal.BadOffer, "the offer is no compact description, or longer than %d bytes", signal.MaxOfferSize)
	}
	*offer = whole
	return nil
}

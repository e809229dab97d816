package ws

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
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
	var attached []byte
	if reply, ok := message.(replyMessage); ok && c.compact != nil {
		reply.body, attached = c.shorten(reply)
		message = reply
	}
	b, err := json.Marshal(message)
	if err != nil || c.compact == nil {
		return websocket.MessageText, b, err
	}
	return websocket.MessageBinary, c.compact.EncodeWith(b, attached), nil
}

// shorten answers a reply without its answer, which is attached in the brief form
// if the offer came in it; otherwise the answer is as short as SDP can be. The
// reply itself stays: the engine keeps it for a repeated command.
func (c *connection) shorten(reply replyMessage) (body signal.Reply, attached []byte) {
	switch body := reply.body.(type) {
	case *signal.Joined:
		short := *body
		if short.Answer, attached = shortAnswer(body.Answer, reply.offer); attached != nil && slices.Equal(body.Slots, briefSlots(reply.offer)) {
			short.Slots = nil
		}
		return &short, attached
	case *signal.Restarted:
		short := *body
		short.Answer, attached = shortAnswer(body.Answer, reply.offer)
		return &short, attached
	}
	return reply.body, nil
}

func shortAnswer(answer string, o *brief.Offer) (string, []byte) {
	if o != nil {
		if a, ok := brief.ReadAnswer(answer, o); ok {
			return "", a.Append(nil)
		}
	}
	return compact.SDP(answer), nil
}

// briefSlots are the slots of a brief offer, which both sides can count.
func briefSlots(o *brief.Offer) (slots []signal.Slot) {
	for i, s := range o.Slots() {
		slots = append(slots, signal.Slot{Slot: i, MID: s.MID, Video: s.Video})
	}
	return slots
}

// unseal answers the JSON of a frame and what is attached; nil when it is not in
// the form agreed.
func (c *connection) unseal(kind websocket.MessageType, b []byte) (message, attached []byte) {
	if c.compact == nil {
		if kind != websocket.MessageText {
			return nil, nil
		}
		return b, nil
	}
	if kind != websocket.MessageBinary {
		return nil, nil
	}
	message, attached, err := c.compact.DecodeWith(b, signal.MaxMessageSize)
	if err != nil {
		return nil, nil
	}
	return message, attached
}

// unreadable says what form was agreed.
func (c *connection) unreadable() *signal.Error {
	if c.compact != nil {
		return signal.Errorf(signal.BadMessage, "messages are binary frames: JSON of at most %d bytes as raw DEFLATE with the dictionary of %s", signal.MaxMessageSize, c.compact.Subprotocol)
	}
	return signal.Errorf(signal.BadMessage, "messages are text frames with JSON")
}

// expand writes the offer of a command out, and answers it where it is brief.
func (c *connection) expand(body signal.Body, attached []byte) (*brief.Offer, error) {
	if c.compact == nil {
		return nil, nil
	}
	var offer *string
	join := &signal.Join{}
	switch body := body.(type) {
	case *signal.Join:
		offer, join = &body.Offer, body
	case *signal.Restart:
		offer = &body.Offer
	}
	if len(attached) > 0 {
		return expandBrief(offer, join, attached)
	}
	if offer == nil {
		return nil, nil
	}
	whole, _, err := compact.Expand(*offer, signal.MaxOfferSize)
	if err != nil {
		return nil, signal.Errorf(signal.BadOffer, "the offer is no compact description, or longer than %d bytes", signal.MaxOfferSize)
	}
	*offer = whole
	return nil, nil
}

// expandBrief takes what is attached to a command for its offer.
func expandBrief(offer *string, join *signal.Join, attached []byte) (*brief.Offer, error) {
	if offer == nil || *offer != "" {
		return nil, signal.Errorf(signal.BadMessage, "bytes stand behind the message: a brief description belongs to a join or restart without an offer")
	}
	o, err := brief.DecodeOffer(attached)
	if err != nil {
		return nil, signal.Errorf(signal.BadOffer, "%v", err)
	}
	*offer = o.SDP()
	if len(join.Send) == 0 {
		for i, s := range o.Sends {
			join.Send = append(join.Send, signal.Section{MID: strconv.Itoa(i), Source: signal.Source(s.Source.String())})
		}
	}
	return &o, nil
}

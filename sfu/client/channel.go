package client

import (
	"context"
	"errors"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxMessage bounds a message of the server: a room of 500 is described in 200 kB.
const maxMessage = 1 << 20

// channel is one WebSocket, in the form that the server agreed to.
type channel struct{ *websocket.Conn }

// compact answers the form; nil for text.
func (c *channel) compact() *compact.Form {
	f, _ := compact.Of(c.Subprotocol())
	return f
}

// saidFirst says whether the server took what came with the request that opened
// the connection.
func (c *channel) saidFirst() bool {
	_, first := compact.Of(c.Subprotocol())
	return first
}

// send writes one message.
func (c *channel) send(ctx context.Context, message []byte) error {
	if f := c.compact(); f != nil {
		return c.Write(ctx, websocket.MessageBinary, f.Encode(message))
	}
	return c.Write(ctx, websocket.MessageText, message)
}

// receive reads one message.
func (c *channel) receive(ctx context.Context) ([]byte, error) {
	kind, b, err := c.Read(ctx)
	f := c.compact()
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return b, nil
	case kind != websocket.MessageBinary:
		return nil, errors.New("the server agreed to compact messages and sends text")
	}
	return f.Decode(b, maxMessage)
}

// shorten answers a join with its offer as short as the server understands it.
func (c *channel) shorten(body signal.Body) signal.Body {
	if c.compact() == nil {
		return body
	}
	return shorten(body)
}

func shorten(body signal.Body) signal.Body {
	join, ok := body.(*signal.Join)
	if !ok {
		return body
	}
	short := *join
	short.Offer = compact.SDP(short.Offer)
	return &short
}

// expand writes the answer of a reply out.
func expand(r signal.Reply) error {
	var answer *string
	switch r := r.(type) {
	case *signal.Joined:
		answer = &r.Answer
	case *signal.Restarted:
		answer = &r.Answer
	default:
		return nil
	}
	whole, _, err := compact.Expand(*answer, maxMessage)
	*answer = whole
	return err
}

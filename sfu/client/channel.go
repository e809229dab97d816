package client

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// maxMessage bounds a message of the server: a room of 500 is described in 200 kB.
const maxMessage = 1 << 20

// channel is one WebSocket, in the form that the server agreed to.
type channel struct {
	*websocket.Conn
	traffic *traffic
}

// traffic counts what a call's signalling takes, over all its connections.
type traffic struct{ up, down, sdp, brief atomic.Uint64 }

// described counts a description, as SDP or brief.
func (t *traffic) described(text string, attached []byte) {
	switch {
	case len(attached) > 0:
		t.brief.Add(1)
	case text != "":
		t.sdp.Add(1)
	}
}

// said counts a command that went in a frame.
func (t *traffic) said(body signal.Body, frame, attached []byte) {
	t.up.Add(uint64(len(frame)))
	switch body := body.(type) {
	case *signal.Join:
		t.described(body.Offer, attached)
	case *signal.Restart:
		t.described(body.Offer, attached)
	}
}

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

// send writes a command in the form that the server agreed to.
func (c *channel) send(ctx context.Context, id string, body signal.Body) error {
	f := c.compact()
	frame, attached, err := frameOf(f, id, body)
	if err != nil {
		return err
	}
	c.traffic.said(body, frame, attached)
	kind := websocket.MessageText
	if f != nil {
		kind = websocket.MessageBinary
	}
	if err := c.Write(ctx, kind, frame); err != nil {
		return fmt.Errorf("send %s: %w", body.Type(), err)
	}
	return nil
}

// frameOf answers the frame of a command in a form, nil for text, and what is
// attached in it.
func frameOf(f *compact.Form, id string, body signal.Body) (frame, attached []byte, err error) {
	if f != nil {
		body, attached = shorten(f, body)
	}
	b, err := encode(id, body)
	if err != nil || f == nil {
		return b, nil, err
	}
	return f.EncodeWith(b, attached), attached, nil
}

// receive reads one message, and what is attached to it.
func (c *channel) receive(ctx context.Context) (message, attached []byte, err error) {
	kind, b, err := c.Read(ctx)
	f := c.compact()
	switch {
	case err != nil:
		return nil, nil, err
	case f == nil:
		c.traffic.down.Add(uint64(len(b)))
		return b, nil, nil
	case kind != websocket.MessageBinary:
		return nil, nil, errors.New("the server agreed to compact messages and sends text")
	}
	c.traffic.down.Add(uint64(len(b)))
	return f.DecodeWith(b, maxMessage)
}

// shorten answers a command with its offer as short as a form has it: attached in
// the brief form if it can be said in that, or as the difference of its sections.
func shorten(f *compact.Form, body signal.Body) (short signal.Body, attached []byte) {
	short = body
	var offer *string
	join := &signal.Join{}
	switch body := body.(type) {
	case *signal.Join:
		copied := *body
		short, join, offer = &copied, &copied, &copied.Offer
	case *signal.Restart:
		copied := *body
		short, offer = &copied, &copied.Offer
	default:
		return body, nil
	}
	if o, ok := brief.ReadOffer(*offer); ok && f.Attaches {
		*offer, join.Send = "", nil // they are what the sections say
		return short, o.Append(nil)
	}
	*offer = compact.SDP(*offer)
	return short, nil
}

// expand writes the answer of a reply out. What is attached is the answer to an
// offer that went in the brief form: this one, or one of the same sections.
func expand(r signal.Reply, attached []byte, o *brief.Offer) error {
	var answer *string
	joined := &signal.Joined{}
	switch r := r.(type) {
	case *signal.Joined:
		answer, joined = &r.Answer, r
	case *signal.Restarted:
		answer = &r.Answer
	}
	if len(attached) > 0 {
		return expandBrief(answer, joined, attached, o)
	}
	if answer == nil {
		return nil
	}
	whole, _, err := compact.Expand(*answer, maxMessage)
	*answer = whole
	return err
}

func expandBrief(answer *string, joined *signal.Joined, attached []byte, o *brief.Offer) error {
	if answer == nil || o == nil {
		return errors.New("the server attaches a brief answer where none was asked for")
	}
	a, err := brief.DecodeAnswer(attached)
	if err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	*answer = a.SDP(o)
	if len(joined.Slots) == 0 {
		for i, s := range o.Slots() {
			joined.Slots = append(joined.Slots, signal.Slot{Slot: i, MID: s.MID, Video: s.Video})
		}
	}
	return nil
}

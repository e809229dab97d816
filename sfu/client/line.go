package client

import (
	"context"
	"time"
)

// Line is a signalling connection that is open before anybody joins: who opens
// it while the button is on the screen saves the round trips of opening it.
type Line struct {
	socket *channel
	// trip is a round trip as opening the line tells it, or more: TCP's handshake
	// and the upgrade took two at least (RFC 9293 §3.5, RFC 6455 §4).
	trip time.Duration
}

// Dial opens a line to the server of o. The server ends it if nobody joins for
// some seconds. It must be given to Join, or closed.
func Dial(ctx context.Context, o Options) (*Line, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return openLine(ctx, &o)
}

func openLine(ctx context.Context, o *Options) (*Line, error) {
	begun := time.Now()
	socket, err := dial(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Line{socket, time.Since(begun) / 2}, nil
}

// Close ends a line that nobody joined on.
func (l *Line) Close() error { return l.socket.CloseNow() }

package client

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"time"
)

// Line is a signalling connection that is open before anybody joins: who opens
// it while the button is on the screen saves the round trips of opening it.
type Line struct {
	socket *channel
	// trip is a round trip as opening the line tells it, or more: TCP's handshake
	// and the upgrade took two at least (RFC 9293 §3.5, RFC 6455 §4).
	trip time.Duration
	// local and remote are its addresses, where they are known.
	local, remote netip.Addr
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
	l := &Line{}
	begun := time.Now()
	socket, err := dial(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: l.on}), o)
	if err != nil {
		return nil, err
	}
	l.socket, l.trip = socket, time.Since(begun)/2
	return l, nil
}

// on notes the connection that a line uses.
func (l *Line) on(i httptrace.GotConnInfo) {
	for at, a := range map[*netip.Addr]net.Addr{&l.local: i.Conn.LocalAddr(), &l.remote: i.Conn.RemoteAddr()} {
		if tcp, ok := a.(*net.TCPAddr); ok {
			*at = tcp.AddrPort().Addr().Unmap()
		}
	}
}

// Close ends a line that nobody joined on.
func (l *Line) Close() error { return l.socket.CloseNow() }

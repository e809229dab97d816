package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Line is a signalling connection that is open before anybody joins: who opens
// it while the button is on the screen saves the round trips of opening it.
type Line struct {
	socket *channel
	// trip is a round trip as opening the line tells it, or more; 0 when that is
	// not known.
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
	return openLine(ctx, &o, nil)
}

// openLine opens a line. Once the connection below it is there, and so a round
// trip is known, it asks first for the commands to send with the request that
// makes it a WebSocket; without any they are to be sent afterwards.
func openLine(ctx context.Context, o *Options, first func(*Line) ([]signal.Body, error)) (*Line, error) {
	l := &Line{}
	var base http.RoundTripper
	web := http.Client{}
	if o.HTTPClient != nil {
		web, base = *o.HTTPClient, o.HTTPClient.Transport
	}
	if base == nil {
		base = http.DefaultTransport
	}
	opening := &opening{line: l, base: base, begun: time.Now(), first: first}
	web.Transport = opening
	var err error
	l.socket, err = dialWith(ctx, o, &web, &traffic{}, compact.Three.First, compact.Three.Subprotocol, compact.Two.Subprotocol, compact.PlainSubprotocol)
	if opening.failed != nil {
		err = opening.failed
	}
	if err != nil {
		if l.socket != nil {
			_ = l.socket.CloseNow()
		}
		return nil, err
	}
	if took := time.Since(opening.begun) / 2; l.trip == 0 && !opening.told {
		l.trip = took // TCP's handshake and the upgrade took two at least (RFC 9293 §3.5, RFC 6455 §4)
	}
	return l, nil
}

// opening is the transport of the one request that opens a line.
type opening struct {
	line   *Line
	base   http.RoundTripper
	begun  time.Time
	first  func(*Line) ([]signal.Body, error)
	told   bool // first was asked
	failed error
}

// RoundTrip adds what is to be said first. That is known only once there is a
// connection, of which net/http tells right before it writes the request, on
// this goroutine.
func (p *opening) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		p.line.on(i, time.Since(p.begun), r.URL.Scheme == "https")
		if p.first == nil || p.told {
			return
		}
		p.told = true
		commands, err := p.first(p.line)
		if p.failed = err; err == nil {
			offer(r.Header, commands)
		}
	}}))
	return p.base.RoundTrip(r)
}

// offer adds commands to a request, if they are not too long for one.
func offer(h http.Header, commands []signal.Body) {
	const name = "Sec-Websocket-Protocol"
	tokens, size := "", 0
	for _, body := range commands {
		frame, _, err := frameOf(compact.Three, body.Type(), body)
		if err != nil {
			return // it fails again when it is sent alone
		}
		token := compact.Token(frame)
		tokens += "," + token
		size += len(token)
	}
	if size <= compact.MaxFirstSize {
		h.Set(name, h.Get(name)+tokens)
	}
}

// on notes the connection that a line uses, and after what time it was there.
func (l *Line) on(i httptrace.GotConnInfo, took time.Duration, secure bool) {
	for at, a := range map[*netip.Addr]net.Addr{&l.local: i.Conn.LocalAddr(), &l.remote: i.Conn.RemoteAddr()} {
		if tcp, ok := a.(*net.TCPAddr); ok {
			*at = tcp.AddrPort().Addr().Unmap()
		}
	}
	if !i.Reused {
		l.trip = tripOf(took, secure)
	}
}

const (
	// lostBegins is how long a handshake of TCP takes at least that has lost the
	// first segment twice (RFC 6298 §2.1, §5.5), and more than any network's round
	// trip. Taken for one it would put off what is lost of DTLS as long again.
	lostBegins = 3 * time.Second
	// unknownTrip stands for a round trip that is not known.
	unknownTrip = usualFlightWait / 2
)

// tripOf is the round trip of a connection that was there after a time.
func tripOf(took time.Duration, secure bool) time.Duration {
	switch {
	case took >= lostBegins:
		return unknownTrip
	case secure:
		return took / 2 // and one of TLS (RFC 8446 §2)
	}
	return took // TCP's handshake (RFC 9293 §3.5)
}

// Close ends a line that nobody joined on.
func (l *Line) Close() error { return l.socket.CloseNow() }

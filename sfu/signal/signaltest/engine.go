package signaltest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// NewEngine starts an engine with call plane and media plane for a test, which
// asks for no tokens, rings for half a second where a ring says nothing, and has
// no socket: whoever joins does so without media. It ends with the test.
func NewEngine(t testing.TB, change func(*switchboard.Config)) *switchboard.Board {
	t.Helper()
	var board *switchboard.Board
	ready := make(chan struct{})
	media := sfu.DefaultConfig()
	media.Sockets, media.Workers = []*udp.Socket{udp.Wrap(&silence{done: make(chan struct{})})}, 1
	media.JoinRate, media.JoinBurst = 1e6, 1e6
	media.Observer = func(o sfu.Observation) { <-ready; board.Observe(o) }
	engine, err := sfu.New(media)
	if err != nil {
		t.Fatal(err)
	}
	cfg := switchboard.DefaultConfig()
	cfg.Media = engine
	cfg.Calls.MinRing, cfg.Calls.RingLifetime = 50*time.Millisecond, 20*time.Second
	cfg.RingRate, cfg.RingBurst = 1, 25
	if change != nil {
		change(&cfg)
	}
	if board, err = switchboard.New(cfg); err != nil {
		t.Fatal(err)
	}
	close(ready)
	t.Cleanup(func() {
		if err := board.Close(); err != nil {
			t.Errorf("close the call plane: %v", err)
		}
		if err := engine.Close(); err != nil {
			t.Errorf("close the media plane: %v", err)
		}
	})
	return board
}

// silence is a socket on which nothing ever comes.
type silence struct {
	end  sync.Once
	done chan struct{}
}

func (s *silence) ReadFrom([]byte) (int, net.Addr, error) {
	<-s.done
	return 0, nil, net.ErrClosed
}
func (s *silence) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (s *silence) Close() error                              { s.end.Do(func() { close(s.done) }); return nil }
func (s *silence) LocalAddr() net.Addr {
	return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7882}
}
func (s *silence) SetDeadline(time.Time) error      { return nil }
func (s *silence) SetReadDeadline(time.Time) error  { return nil }
func (s *silence) SetWriteDeadline(time.Time) error { return nil }

var _ signal.Engine = (*switchboard.Board)(nil)

package switchboard

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// noMedia is a media plane in which nobody is.
type noMedia struct{ signal.Engine }

func (noMedia) Admit(context.Context, signal.Command, sfu.Admission) (*signal.Joined, error) {
	return nil, signal.Errorf(signal.ServerFull, "there is no media")
}
func (noMedia) Control(string, signal.Body) (signal.Reply, error) { return &signal.Done{}, nil }
func (noMedia) Gate(string, bool)                                 {}
func (noMedia) Dismiss(string, signal.Code, string)               {}
func (noMedia) Usage(string) (sfu.Usage, bool)                    { return sfu.Usage{}, false }

// Recall reads a journal that may hold anything: it must not panic, and what it
// keeps must be readable again.
func Recall(t *testing.T, b []byte) {
	cfg := DefaultConfig()
	cfg.Media = noMedia{}
	board := prepare(cfg)
	defer board.cancel()
	_, _ = board.replay(bytes.NewReader(b), time.Now())
	board.expectBack(time.Now())
}

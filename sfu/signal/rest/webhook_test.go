package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// court is a receiver that answers as it is told to, and judges what it got.
type court struct {
	t     *testing.T
	judge *rest.Receiver

	mu       sync.Mutex
	answer   func(attempt int) (status int, hang bool)
	attempts []time.Time
	ids      map[string]int
	events   []signal.Event
	last     *http.Request
	body     []byte
}

func (c *court) RoundTrip(r *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.attempts = append(c.attempts, time.Now())
	c.ids[r.Header.Get(rest.DeliveryHeader)]++
	status, hang := c.answer(len(c.attempts))
	c.last, c.body = r, b
	if status == 200 {
		d, err := c.judge.Receive(time.Now(), r.Header, b)
		if err != nil {
			c.t.Errorf("refused: %v", err)
		} else {
			c.events = append(c.events, d.Events...)
		}
	}
	c.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

// hooked runs a test with an engine whose events go to a court.
func hooked(t *testing.T, change func(*switchboard.Config), test func(t *testing.T, e signal.Engine, c *court, h *rest.Webhook)) {
	synctest.Test(t, func(t *testing.T) {
		c := &court{t: t, judge: rest.NewReceiver(mustSecret(t)), ids: make(map[string]int), answer: func(int) (int, bool) { return 200, false }}
		hook, err := rest.NewWebhook(rest.WebhookConfig{URL: "https://b.example/hook", Secrets: []secret.Secret{mustSecret(t)}, Transport: c})
		if err != nil {
			t.Fatal(err)
		}
		e := signaltest.NewEngine(t, change)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- hook.Serve(ctx, e) }()
		test(t, e, c, hook)
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// call makes a call that is declined: created, ring, gate, declined, gate, ended ...
func call(t *testing.T, e signal.Engine, id string) {
	t.Helper()
	for _, c := range []*signal.Call{
		{Verb: signal.CallCreate, Call: id, From: &signal.Device{User: "ann" + id, Device: "1"}, Targets: []signal.Target{{User: "bob", Devices: []string{"1"}}}},
		{Verb: signal.CallDecline, Call: id, From: &signal.Device{User: "bob", Device: "1"}},
	} {
		if _, err := e.Do(t.Context(), signal.Command{Backend: &signal.Backend{}, Body: c}); err != nil {
			t.Fatal(err)
		}
	}
}

// inOrder wants the events of all calls, each once, by rising numbers.
func (c *court) inOrder(calls int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := 0
	for i, e := range c.events {
		if i > 0 && e.Sequence != c.events[i-1].Sequence+1 {
			c.t.Errorf("event %d follows %d", e.Sequence, c.events[i-1].Sequence)
		}
		if v, ok := e.Body.(*signal.CallEvent); ok && v.Kind == signal.CallEnded {
			ended++
		}
	}
	if ended != calls {
		c.t.Errorf("%d calls have ended, want %d", ended, calls)
	}
}

func TestReceiverThatFailsForAnHour(t *testing.T) {
	for name, bad := range map[string]struct {
		status int
		hang   bool
	}{"500": {500, false}, "404": {404, false}, "a redirect": {302, false}, "no answer": {0, true}} {
		t.Run(name, func(t *testing.T) {
			hooked(t, nil, func(t *testing.T, e signal.Engine, c *court, h *rest.Webhook) {
				up := time.Now().Add(time.Hour)
				c.answer = func(int) (int, bool) {
					if time.Now().Before(up) {
						return bad.status, bad.hang
					}
					return 200, false
				}
				for i := range 20 {
					call(t, e, fmt.Sprint("c", i))
				}
				time.Sleep(time.Hour + 5*time.Minute)
				c.inOrder(20)
				if n := len(c.attempts); n < 50 || n > 200 {
					t.Errorf("%d attempts in an hour", n)
				}
				for i := 8; i < len(c.attempts)-2; i++ {
					if gap := c.attempts[i+1].Sub(c.attempts[i]); gap < 29*time.Second || gap > 71*time.Second {
						t.Errorf("attempt %d came %v after the one before, want half a minute to a minute and the wait for an answer", i+1, gap)
					}
				}
				first := 0
				for _, n := range c.ids {
					first = max(first, n)
				}
				if first < 50 {
					t.Error("the attempts of one delivery have different ids")
				}
				if s := h.Stats(); s.Lost != 0 || s.Delivered != uint64(len(c.events)) || s.Failed < 50 {
					t.Errorf("stats %+v for %d events", s, len(c.events))
				}
			})
		})
	}
}

// What waits is bounded: the oldest is lost, counted, and the numbers tell.
func TestQueueOfAWebhookIsBounded(t *testing.T) {
	hooked(t, func(c *switchboard.Config) { c.FeedLength = 64 }, func(t *testing.T, e signal.Engine, c *court, h *rest.Webhook) {
		up := time.Now().Add(10 * time.Minute)
		c.answer = func(int) (int, bool) {
			if time.Now().Before(up) {
				return 503, false
			}
			return 200, false
		}
		for i := range 50 {
			call(t, e, fmt.Sprint("c", i))
			time.Sleep(time.Second)
		}
		time.Sleep(15 * time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		gap := uint64(0)
		for i := 1; i < len(c.events); i++ {
			gap += c.events[i].Sequence - c.events[i-1].Sequence - 1
		}
		if s := h.Stats(); s.Lost == 0 || s.Lost != gap || len(c.events) > 64+2*100 {
			t.Errorf("%+v after %d events with gaps of %d", s, len(c.events), gap)
		}
		if last, ok := c.events[len(c.events)-1].Body.(*signal.CallEvent); !ok || last.Kind != signal.CallEnded || last.Call != "c49" {
			t.Errorf("the newest event did not come: %+v", last)
		}
	})
}

func TestForgedStaleAndReplayedWebhooks(t *testing.T) {
	hooked(t, nil, func(t *testing.T, e signal.Engine, c *court, _ *rest.Webhook) {
		call(t, e, "c")
		time.Sleep(time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		header, body, sent := c.last.Header, c.body, c.attempts[len(c.attempts)-1]
		changed := func(name, value string) http.Header {
			h := header.Clone()
			h.Set(name, value)
			return h
		}
		other, err := secret.New("another-secret-0123456789abcdefghijkl")
		if err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			judge  *rest.Receiver
			at     time.Duration
			header http.Header
			body   string
			want   error
		}{
			"again at once":          {c.judge, 0, header, string(body), rest.ErrReplayed},
			"again after minutes":    {c.judge, 4 * time.Minute, header, string(body), rest.ErrReplayed},
			"at a new receiver":      {rest.NewReceiver(mustSecret(t)), 0, header, string(body), nil},
			"clock 4 min ahead":      {rest.NewReceiver(mustSecret(t)), 4 * time.Minute, header, string(body), nil},
			"clock 4 min behind":     {rest.NewReceiver(mustSecret(t)), -4 * time.Minute, header, string(body), nil},
			"six minutes old":        {rest.NewReceiver(mustSecret(t)), 6 * time.Minute, header, string(body), rest.ErrStale},
			"from the future":        {rest.NewReceiver(mustSecret(t)), -6 * time.Minute, header, string(body), rest.ErrStale},
			"another body":           {rest.NewReceiver(mustSecret(t)), 0, header, string(body) + " ", rest.ErrSignature},
			"another time":           {rest.NewReceiver(mustSecret(t)), 0, changed(rest.TimestampHeader, "1"), string(body), rest.ErrSignature},
			"another secret":         {rest.NewReceiver(other), 0, header, string(body), rest.ErrSignature},
			"no signature":           {rest.NewReceiver(mustSecret(t)), 0, changed(rest.SignatureHeader, ""), string(body), rest.ErrSignature},
			"one of many signatures": {rest.NewReceiver(mustSecret(t)), 0, changed(rest.SignatureHeader, "v1=00, "+header.Get(rest.SignatureHeader)), string(body), nil},
			"of another version":     {rest.NewReceiver(mustSecret(t)), 0, changed(rest.SignatureHeader, strings.Replace(header.Get(rest.SignatureHeader), "v1", "v2", 1)), string(body), rest.ErrSignature},
		} {
			if _, err := tt.judge.Receive(sent.Add(tt.at), tt.header, []byte(tt.body)); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
		}
	})
}

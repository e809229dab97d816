package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	randv2 "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// maxBatch bounds the events of one webhook.
	maxBatch = 100
	// firstPause and longestPause bound the pause after a failure; it doubles.
	firstPause, longestPause = time.Second, time.Minute
)

// WebhookConfig says where events go.
type WebhookConfig struct {
	// URL of the receiver: https, or http where the way there is trusted.
	URL string
	// Secrets sign: all of them, so that one can be replaced by the next.
	Secrets []secret.Secret
	// Tenant is whose events go there.
	Tenant string
	// Timeout is how long a receiver has to answer; 0 for 10 s.
	Timeout   time.Duration
	Transport http.RoundTripper // nil for the standard one
	Logger    *slog.Logger
}

// Webhook is the adapter that posts a tenant's events to its backend, signed, in
// order, and again until they are taken. What waits is what the tenant's feed
// keeps: beyond it the oldest is lost, and the numbers tell. It implements
// signal.Adapter.
type Webhook struct {
	cfg    WebhookConfig
	client *http.Client
	marks  signal.Marks // nil for none
	stats  struct{ delivered, failed, lost atomic.Uint64 }
}

// WebhookStats are totals of events delivered and lost, and of attempts that failed.
type WebhookStats struct{ Delivered, Lost, Failed uint64 }

// NewWebhook answers an adapter that sends as cfg says.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, fmt.Errorf("webhook: %q is no http or https address", cfg.URL)
	case len(cfg.Secrets) == 0:
		return nil, errors.New("webhook: no secret to sign with: make one with `rivulet token secret`")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Webhook{cfg: cfg, client: &http.Client{
		Timeout: cfg.Timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Remember has the adapter go on after a restart where it has been; before Serve.
func (h *Webhook) Remember(m signal.Marks) { h.marks = m }

// Name answers "webhook".
func (*Webhook) Name() string { return "webhook" }

// Stats answers the totals.
func (h *Webhook) Stats() WebhookStats {
	return WebhookStats{h.stats.delivered.Load(), h.stats.lost.Load(), h.stats.failed.Load()}
}

// Serve delivers until ctx ends or the engine does.
func (h *Webhook) Serve(ctx context.Context, e signal.Engine) error {
	backend, last := &signal.Backend{Tenant: h.cfg.Tenant}, uint64(0)
	reader := "webhook " + h.cfg.Tenant
	if h.marks != nil {
		last = h.marks.Mark(reader)
	}
	if last == 0 {
		reply, err := e.Do(ctx, signal.Command{Backend: backend, Body: &signal.FeedQuery{}})
		if err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		last = reply.(*signal.FeedState).First - 1
	}
	stream, err := e.Subscribe(ctx, signal.Filter{Backend: backend, After: last, Lossy: true})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	for {
		batch := h.batch(ctx, stream)
		if len(batch) == 0 {
			return nil
		}
		newest := batch[len(batch)-1].Sequence
		if lost := newest - last - uint64(len(batch)); lost > 0 {
			h.stats.lost.Add(lost)
			h.cfg.Logger.Warn("events were lost: the webhook's receiver did not take them in time", "events", lost)
		}
		if !h.deliver(ctx, batch) {
			return nil
		}
		last = newest
		h.stats.delivered.Add(uint64(len(batch)))
		if h.marks != nil {
			h.marks.SetMark(reader, last)
		}
	}
}

// batch waits for an event and takes those that come with it; none at the end.
func (h *Webhook) batch(ctx context.Context, stream <-chan signal.Event) (batch []signal.Event) {
	select {
	case e, ok := <-stream:
		if !ok {
			return nil
		}
		batch = append(batch, e)
	case <-ctx.Done():
		return nil
	}
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for len(batch) < maxBatch {
		select {
		case e, ok := <-stream:
			if !ok {
				return batch
			}
			batch = append(batch, e)
		case <-quiet.C:
			return batch
		}
	}
	return batch
}

// deliver posts a batch until it is taken; false when ctx ends before.
func (h *Webhook) deliver(ctx context.Context, batch []signal.Event) bool {
	body, err := json.Marshal(Delivery{Version: signal.Version, Events: batch})
	if err != nil {
		h.cfg.Logger.Error("events cannot be written", "error", err)
		return true // what cannot be written now never can
	}
	id := rand.Text()
	for attempt := 0; ; attempt++ {
		err := h.post(ctx, id, body)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		h.stats.failed.Add(1)
		pause := pauseAfter(attempt)
		h.cfg.Logger.Warn("the webhook's receiver did not take events; trying again", "error", err, "attempt", attempt+1, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// pauseAfter doubles from attempt to attempt, and is drawn from its upper half
// so that many servers do not come at once.
func pauseAfter(attempt int) time.Duration {
	pause := min(longestPause, firstPause<<min(attempt, 10))
	return pause/2 + randv2.N(pause/2+1)
}

// post makes one attempt.
func (h *Webhook) post(ctx context.Context, id string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	signatures := make([]string, len(h.cfg.Secrets))
	for i, s := range h.cfg.Secrets {
		signatures[i] = sign(s, timestamp, body)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "rivulet")
	request.Header.Set(TimestampHeader, timestamp)
	request.Header.Set(SignatureHeader, strings.Join(signatures, ","))
	request.Header.Set(DeliveryHeader, id)
	response, err := h.client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			return failed.Err // without the address, which may hold a password
		}
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	_ = response.Body.Close()                                         // read only
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("it answers with status %d", response.StatusCode)
	}
	return nil
}

package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// everybody is an authenticator that believes everybody to be a backend.
type everybody struct{}

func (everybody) Authenticate(time.Time, *signal.Connect) (token.Grants, error) {
	return token.Grants{Backend: true}, nil
}

// inMemory carries requests to a handler without a network.
type inMemory struct{ http.Handler }

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	request := r.Clone(r.Context())
	if request.Body == nil {
		request.Body = http.NoBody
	}
	h.ServeHTTP(w, request)
	return w.Result(), nil
}

// backendClient speaks REST as a backend does.
type backendClient struct {
	http *http.Client
	feed *signaltest.Feed // of webhooks; nil for long polls
}

// target answers method and path of a command.
func target(body signal.Body) (method, path string) {
	switch c := body.(type) {
	case *signal.Call:
		if c.Verb == signal.CallCreate {
			return http.MethodPost, "/v1/calls"
		}
		return http.MethodPost, "/v1/calls/" + c.Call + "/" + string(c.Verb)
	case *signal.CallQuery:
		return http.MethodGet, "/v1/calls/" + c.Call
	case *signal.CallHistory:
		return http.MethodGet, fmt.Sprintf("/v1/calls/%s/events?after=%d", c.Call, c.After)
	case *signal.RoomQuery:
		return http.MethodGet, "/v1/rooms/" + c.Room
	case *signal.RoomControl:
		return http.MethodPost, "/v1/rooms/" + c.Room + "/" + string(c.Verb)
	}
	panic(fmt.Sprintf("no route for %T", body))
}

func (c *backendClient) Do(ctx context.Context, command signal.Command) (signal.Reply, error) {
	method, path := target(command.Body)
	var body []byte
	if method == http.MethodPost {
		body, _ = json.Marshal(command.Body)
	}
	b, status, err := c.request(ctx, method, path, command.ID, body)
	if err != nil {
		return nil, err
	}
	if status > 299 {
		var p problem.Problem
		if err := json.Unmarshal(b, &p); err != nil || p.Status != status {
			return nil, fmt.Errorf("%d with %q is no problem of RFC 9457", status, b)
		}
		return nil, &signal.Error{Code: p.Code, Message: p.Detail, Reason: p.Reason, RetryAfterMS: p.RetryAfterMS}
	}
	if _, ok := command.Body.(*signal.CallHistory); ok {
		var page rest.Page
		err := json.Unmarshal(b, &page)
		return &signal.CallEvents{Events: page.Events}, err
	}
	m, err := signal.DecodeIncoming(b)
	return m.Reply, err
}

func (c *backendClient) request(ctx context.Context, method, path, key string, body []byte) ([]byte, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://rivulet"+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Idempotency-Key", key)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return b, response.StatusCode, err
}

func (c *backendClient) Subscribe(ctx context.Context, f signal.Filter) (<-chan signal.Event, error) {
	if c.feed != nil {
		return c.feed.Subscribe(ctx, f, c.Do)
	}
	path := "/v1/events"
	if f.Call != "" {
		path = "/v1/calls/" + f.Call + "/events?after=" + strconv.FormatUint(f.After, 10)
	}
	b, status, err := c.request(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		var p problem.Problem
		err := json.Unmarshal(b, &p)
		if err == nil {
			err = &signal.Error{Code: p.Code, Message: p.Detail}
		}
		return nil, err
	}
	out := make(chan signal.Event)
	go func() {
		defer close(out)
		for {
			var page rest.Page
			if json.Unmarshal(b, &page) != nil {
				return
			}
			for _, e := range page.Events {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
			path := fmt.Sprintf("/v1/events?wait=30&after=%d", page.Last)
			if f.Call != "" {
				path = fmt.Sprintf("/v1/calls/%s/events?wait=30&after=%d", f.Call, page.Last)
			}
			if ctx.Err() != nil {
				return
			}
			if b, status, err = c.request(ctx, http.MethodGet, path, "", nil); err != nil || status != http.StatusOK {
				return
			}
		}
	}()
	return out, nil
}

func handler(engine signal.Engine, auth rest.Authenticator) http.Handler {
	mux := http.NewServeMux()
	rest.New(engine, auth).Register(mux)
	return mux
}

func TestConformance(t *testing.T) {
	signaltest.Run(t, func(_ *testing.T, e signal.Engine) signal.Engine {
		return &backendClient{http: &http.Client{Transport: inMemory{handler(e, everybody{})}}}
	})
}

func mustSecret(t testing.TB) secret.Secret {
	t.Helper()
	s, err := secret.New("webhook-secret-0123456789abcdefghijkl")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receiver takes webhooks into a feed.
func receiver(t testing.TB, feed *signaltest.Feed) http.Handler {
	judge := rest.NewReceiver(mustSecret(t))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		d, err := judge.Receive(time.Now(), r.Header, b)
		if err != nil {
			t.Errorf("a webhook was refused: %v", err)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		for _, e := range d.Events {
			feed.Publish(e)
		}
	})
}

// TestConformanceOfWebhooks has events come by webhook instead.
func TestConformanceOfWebhooks(t *testing.T) {
	signaltest.Run(t, func(t *testing.T, e signal.Engine) signal.Engine {
		feed := signaltest.NewFeed()
		hook, err := rest.NewWebhook(rest.WebhookConfig{
			URL: "https://backend.example/hook", Secrets: []secret.Secret{mustSecret(t)}, Transport: inMemory{receiver(t, feed)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error)
		go func() { served <- hook.Serve(ctx, e) }()
		t.Cleanup(func() {
			cancel()
			if err := <-served; err != nil {
				t.Errorf("serve: %v", err)
			}
		})
		return &backendClient{http: &http.Client{Transport: inMemory{handler(e, everybody{})}}, feed: feed}
	})
}

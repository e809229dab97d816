package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testproc"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// signed answers a token of the servers here.
func signed(t *testing.T, g token.Grants) string {
	t.Helper()
	s, err := secret.New(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := token.DefaultConfig()
	cfg.Keys = []token.Key{{ID: "fault", Secret: s}}
	v, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := v.Sign(time.Now(), g, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// backend speaks REST to a server.
type backend struct {
	t      *testing.T
	server *testproc.Process
	token  string
	first  uint64 // the newest event when the test began
}

func newBackend(t *testing.T, server *testproc.Process) *backend {
	t.Helper()
	b := &backend{t: t, server: server, token: signed(t, token.Grants{Backend: true})}
	if b.first = b.stands(); b.first == 0 {
		t.Fatal("events are numbered from 0, of which nothing can be read")
	}
	return b
}

// try sends one request; its status is 0 when there was no answer.
func (b *backend) try(method, path, id string, body, into any) (status int) {
	text, _ := json.Marshal(body)
	request, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.server.Address+path, bytes.NewReader(text))
	if err != nil {
		b.t.Error(err)
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Idempotency-Key", id)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0
	}
	if into != nil && response.StatusCode < 300 {
		if err := json.Unmarshal(answer, into); err != nil {
			b.t.Errorf("%s %s: %s: %v", method, path, answer, err)
		}
	}
	return response.StatusCode
}

// must sends one that has to be answered well.
func (b *backend) must(method, path, id string, body, into any) {
	b.t.Helper()
	if status := b.try(method, path, id, body, into); status < 200 || status > 299 {
		b.t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// create makes a call of one device, which rings nobody.
func (b *backend) create(i int, into any) (status int) {
	id := fmt.Sprint("k", i)
	return b.try(http.MethodPost, "/v1/calls", id, &signal.Call{Call: id, From: &signal.Device{User: fmt.Sprint("u", i), Device: "1"}}, into)
}

// load creates calls, one each pause, until it is stopped.
type load struct {
	b    *backend
	stop chan struct{}
	done sync.WaitGroup

	// Owned by the goroutine until done.
	acknowledged, unanswered []int
}

func (b *backend) load(first int, pause time.Duration) *load {
	l := &load{b: b, stop: make(chan struct{})}
	l.done.Go(func() {
		for i := first; ; i++ {
			select {
			case <-l.stop:
				return
			case <-time.After(pause):
			}
			switch status := b.create(i, nil); status {
			case http.StatusOK, http.StatusCreated:
				l.acknowledged = append(l.acknowledged, i)
			case 0:
				l.unanswered = append(l.unanswered, i)
			default:
				b.t.Errorf("creating call k%d: status %d", i, status)
				return
			}
		}
	})
	return l
}

func (l *load) end() {
	close(l.stop)
	l.done.Wait()
}

// stands answers the number of the newest event.
func (b *backend) stands() uint64 {
	b.t.Helper()
	var at rest.Page
	b.must(http.MethodGet, "/v1/events", "", nil, &at)
	return at.Last
}

// feed reads all events since the test began, which must be numbered without gaps.
func (b *backend) feed() (events []signal.Event) {
	b.t.Helper()
	for after, last := b.first, b.stands(); after < last; {
		var page rest.Page
		b.must(http.MethodGet, fmt.Sprint("/v1/events?after=", after), "", nil, &page)
		for _, e := range page.Events {
			if after++; e.Sequence != after {
				b.t.Fatalf("event %d follows %d", e.Sequence, after-1)
			}
		}
		if len(page.Events) == 0 {
			b.t.Fatalf("there is nothing after event %d, and the newest is %d", after, last)
		}
		events = append(events, page.Events...)
	}
	return events
}

// device is a user's phone with a Go client in a call, which joins anew when the
// server says so, as an application does.
type device struct {
	t      *testing.T
	user   string
	server *testproc.Process
	stop   chan struct{}
	done   sync.WaitGroup
	left   sync.Once
	rejoin atomic.Int64
	heard  atomic.Int64
	// last is when media came last, longest the longest time without any since
	// reset, both in nanoseconds.
	last, longest atomic.Int64
	// late is by how much this process was late at the most to do anything since
	// reset: no packet can be taken then, whatever carries it.
	late atomic.Int64
}

// call has ann ring bob, who answers, and both talk by the server.
func call(t *testing.T, b *backend) (ann, bob *device) {
	t.Helper()
	phone := func(user string) *signal.Device { return &signal.Device{User: user, Device: "phone"} }
	b.must(http.MethodPost, "/v1/calls", "1", &signal.Call{Call: "c", From: phone("ann"), Targets: []signal.Target{{User: "bob", Devices: []string{"phone"}}}}, nil)
	b.must(http.MethodPost, "/v1/calls/c/accept", "2", &signal.Call{From: phone("bob")}, nil)
	var both [2]*device
	for i, user := range []string{"ann", "bob"} {
		d := &device{t: t, user: user, server: b.server, stop: make(chan struct{})}
		d.done.Go(d.run)
		d.done.Go(d.tick)
		t.Cleanup(d.leave)
		both[i] = d
	}
	for _, d := range both {
		d.hears(10 * time.Second)
	}
	return both[0], both[1]
}

// leave ends the device; again does no harm.
func (d *device) leave() {
	d.left.Do(func() { close(d.stop) })
	d.done.Wait()
}

// run is in the call until the test ends.
func (d *device) run() {
	web := &http.Transport{}
	defer web.CloseIdleConnections()
	o := client.Options{
		URL: "http://" + d.server.Address, Room: "c", OnPacket: d.received, HTTPClient: &http.Client{Transport: web},
		Connect: &signal.Connect{Token: signed(d.t, token.Grants{Identity: d.user, Device: "phone", Calls: true}), Device: "phone"},
		Publish: []client.Publication{{Source: signal.Microphone}}, VideoSlots: -1,
	}
	for again := false; ; again = true {
		c, err := client.Join(d.t.Context(), o)
		if err == nil {
			if again {
				d.rejoin.Add(1)
			}
			d.talk(c)
			err = c.Err()
			_ = c.Close() // it has ended
		}
		select {
		case <-d.stop:
			return
		case <-time.After(100 * time.Millisecond): // as an application waits before it tries again
		}
		if !client.Rejoin(err) {
			d.t.Errorf("%s: the call ended: %v", d.user, err)
			return
		}
	}
}

// talk sends voice until the call or the test ends.
func (d *device) talk(c *client.Call) {
	voice := media.NewVoice(time.Now(), media.VoiceConfig{Seed: 1, Talk: -1})
	buf := make([]byte, media.MaxVoicePayload)
	for {
		select {
		case <-time.After(time.Until(voice.Next())):
		case <-c.Done():
			return
		case <-d.stop:
			return
		}
		now := time.Now()
		for f, ok := voice.Poll(now, buf); ok; f, ok = voice.Poll(now, buf) {
			// It fails when the call ends, which Done tells.
			_ = c.Sender(signal.Microphone).Write(now, client.Frame{Timestamp: f.Timestamp, Marker: f.Marker, Payload: f.Payload, Level: f.Level, Voice: f.Voice})
		}
	}
}

func (d *device) received(int, uint32, *packet.Packet) {
	now := time.Now().UnixNano()
	if last := d.last.Swap(now); last != 0 {
		d.longest.Store(max(d.longest.Load(), now-last)) // one goroutine receives
	}
	d.heard.Add(1)
}

// tick notes how late this process is.
func (d *device) tick() {
	const every = 10 * time.Millisecond
	for last := time.Now(); ; {
		select {
		case <-time.After(every):
		case <-d.stop:
			return
		}
		now := time.Now()
		d.late.Store(max(d.late.Load(), int64(now.Sub(last)-every)))
		last = now
	}
}

// reset answers the longest time without media until now, and how late this process
// was meanwhile, and begins anew.
func (d *device) reset() (silent, late time.Duration) {
	since := time.Now().UnixNano() - d.last.Load()
	return time.Duration(max(d.longest.Swap(0), since)), time.Duration(d.late.Swap(0))
}

// unheard judges what both heard since reset of media that nothing has interrupted.
func unheard(t *testing.T, devices ...*device) {
	t.Helper()
	for _, d := range devices {
		silent, late := d.reset()
		t.Logf("%s heard nothing for %v at the longest; this process was late by %v", d.user, silent, late)
		if silent-late > mostSilence || d.rejoin.Load() != 0 {
			t.Errorf("%s heard nothing for %v, of which this process was late for %v, and joined anew %d times", d.user, silent, late, d.rejoin.Load())
		}
	}
}

// hears waits for media that comes from now on, and answers how long it took.
func (d *device) hears(limit time.Duration) time.Duration {
	d.t.Helper()
	began, before := time.Now(), d.heard.Load()
	ctx, cancel := context.WithTimeout(d.t.Context(), limit)
	defer cancel()
	for d.heard.Load() == before {
		select {
		case <-ctx.Done():
			d.t.Fatalf("%s hears nothing for %v", d.user, limit)
		case <-time.After(5 * time.Millisecond): // of another process' time
		}
	}
	return time.Since(began)
}

// Package examples_test runs the examples as their readers would: a server, and
// the program in the other language, in processes of their own.
package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/testproc"
)

const (
	key     = "messenger-key-0123456789abcdefghijkl"
	hookKey = "webhook-key-0123456789abcdefghijklmn"
	busKey  = "nats-key-0123456789abcdefghijklmnopq"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// freePort answers a number that is free now.
func freePort(t *testing.T) string {
	t.Helper()
	_, port, _ := strings.Cut(testproc.FreeAddress(t), ":")
	return port
}

// world is a server and the messenger beside it.
type world struct {
	t         *testing.T
	rivulet   *testproc.Process
	messenger *testproc.Process
	url       string
	bus       string
}

func start(t *testing.T) *world {
	t.Helper()
	testenv.Sockets(t)
	python := testenv.Python(t)
	dir := t.TempDir()
	server, hook, bus := testproc.FreeAddress(t), testproc.FreeAddress(t), testproc.FreeAddress(t)
	w := &world{t: t, url: "http://" + hook, bus: "nats://" + bus}
	w.rivulet = testproc.Run(t, &testproc.Process{Name: testproc.Rivulet(t), Address: server, Args: []string{
		"serve", "--http", server, "--udp", freePort(t), "--admin", "127.0.0.1:0",
		"--set", "media.bind=127.0.0.1", "--set", "turn.enabled=false", "--set", "drain.grace=0s", "--set", "calls.ringLifetime=5s",
		"--set", "calls.journal=" + filepath.Join(dir, "journal"), "--set", "webhook.url=" + w.url + "/hook",
		"--set", "nats.enabled=true", "--set", "nats.address=" + bus, "--set", "nats.store=" + filepath.Join(dir, "nats"),
		"--set", "http.origins=127.0.0.1:*",
	}, Env: []string{"RIVULET_AUTH_KEYS=messenger:" + key, "RIVULET_WEBHOOK_SECRET=" + hookKey, "RIVULET_NATS_SECRET=" + busKey}})
	_, port, _ := strings.Cut(hook, ":")
	w.messenger = testproc.Run(t, &testproc.Process{Name: python, Address: hook, Args: []string{"messenger/messenger.py"}, Env: []string{
		"RIVULET_URL=http://" + server, "RIVULET_KEY=messenger", "RIVULET_SECRET=" + key, "WEBHOOK_SECRET=" + hookKey,
		"DATABASE=" + filepath.Join(dir, "messenger.db"), "PORT=" + port, "PYTHONDONTWRITEBYTECODE=1",
	}})
	return w
}

// phone is one device, as the messenger's application on it.
type phone struct {
	w       *world
	name    string
	session string
	last    int
	waiting []event
}

type event struct {
	Type, Call, User, Reason string
	Number                   int
	Summary                  *struct{ DurationMs int }
}

func (w *world) login(user, device string) *phone {
	w.t.Helper()
	p := &phone{w: w, name: user + "/" + device}
	var answer struct{ Session string }
	w.ask("", "POST", "/login", map[string]any{"user": user, "device": device}, &answer)
	p.session = answer.Session
	return p
}

// ask sends one request to the messenger and answers its status.
func (w *world) ask(session, method, path string, body, into any) int {
	w.t.Helper()
	var b []byte
	if body != nil {
		b, _ = json.Marshal(body)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+session)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			w.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
		}
	}
	return response.StatusCode
}

func (p *phone) call(lifetime int, users ...string) string {
	p.w.t.Helper()
	var answer struct{ Call, Detail string }
	p.w.ask(p.session, "POST", "/call", map[string]any{"users": users, "lifetimeMs": lifetime}, &answer)
	if answer.Call == "" {
		p.w.t.Fatalf("%s calls %v: %s", p.name, users, answer.Detail)
	}
	return answer.Call
}

func (p *phone) do(call, verb string, fields map[string]any) {
	p.w.t.Helper()
	var answer struct{ Code, Detail string }
	if fields == nil {
		fields = map[string]any{}
	}
	if status := p.w.ask(p.session, "POST", "/call/"+call+"/"+verb, fields, &answer); status != 200 {
		p.w.t.Fatalf("%s: %s: %d %s: %s", p.name, verb, status, answer.Code, answer.Detail)
	}
}

// hears waits for the next event of a type in the phone's inbox; what comes
// before it must be of other types and is passed over.
func (p *phone) hears(kind, call string) event {
	p.w.t.Helper()
	until := time.Now().Add(40 * time.Second)
	for time.Now().Before(until) {
		for len(p.waiting) > 0 {
			e := p.waiting[0]
			p.waiting = p.waiting[1:]
			if e.Type == kind && e.Call == call {
				return e
			}
		}
		var answer struct {
			Events []event
			Last   int
		}
		p.w.ask(p.session, "GET", fmt.Sprint("/inbox?after=", p.last), nil, &answer)
		p.waiting, p.last = answer.Events, answer.Last
	}
	p.w.t.Fatalf("%s waited in vain for %s", p.name, kind)
	return event{}
}

// TestMessengerRings has two users' devices ring each other through the example
// backend: every way in which a call can go.
func TestMessengerRings(t *testing.T) {
	w := start(t)
	ann, bob, tablet, eve := w.login("ann", "phone"), w.login("bob", "phone"), w.login("bob", "tablet"), w.login("eve", "phone")

	call := ann.call(0, "bob") // answered, held, a group, ended
	bob.hears("call.ring", call)
	tablet.hears("call.ring", call)
	bob.do(call, "ringing", nil)
	ann.hears("call.ringing", call)
	bob.do(call, "accept", nil)
	ann.hears("call.accepted", call)
	if e := tablet.hears("call.elsewhere", call); e.Reason != "accepted" {
		t.Errorf("the tablet was told %+v", e)
	}
	bob.do(call, "ring", map[string]any{"users": []string{"eve"}})
	eve.hears("call.ring", call)
	eve.do(call, "accept", nil)
	ann.hears("call.upgraded", call)
	tablet.do(call, "take", nil)
	bob.hears("call.taken", call)
	ann.do(call, "leave", nil)
	tablet.hears("call.left", call)
	eve.do(call, "leave", nil)
	if e := tablet.hears("call.ended", call); e.Reason != "hangup" || e.Summary == nil {
		t.Errorf("ended %+v", e)
	}

	call = ann.call(0, "bob") // declined
	bob.hears("call.ring", call)
	tablet.do(call, "decline", nil)
	ann.hears("call.declined", call)
	bob.hears("call.elsewhere", call)

	call = bob.call(0, "ann") // busy
	ann.do(call, "busy", nil)
	bob.hears("call.busy", call)

	call = ann.call(0, "bob") // cancelled
	bob.hears("call.ring", call)
	ann.do(call, "cancel", nil)
	bob.hears("call.cancelled", call)

	call = ann.call(5000, "bob") // missed
	bob.hears("call.ring", call)
	bob.hears("call.missed", call)
	ann.hears("call.ended", call)

	var refusal struct{ Code string }
	if status := w.ask(eve.session, "POST", "/call/"+call+"/accept", map[string]any{}, &refusal); status != 403 && status != 409 {
		t.Errorf("a stranger's answer to a call: %d %s", status, refusal.Code)
	}
}

// TestEverybodyIsKilled kills the backend and the server in the middle of calls:
// what was acknowledged is there afterwards, and comes once.
func TestEverybodyIsKilled(t *testing.T) {
	w := start(t)
	ann, bob := w.login("ann", "phone"), w.login("bob", "phone")
	call := ann.call(60_000, "bob")
	bob.hears("call.ring", call)
	bob.do(call, "accept", nil)
	ann.hears("call.accepted", call)

	w.messenger.Kill() // while it is away things happen, which only the bus can tell
	ring := exec.Command(w.messenger.Name, "nats/ring.py", w.bus, "eve/phone", "bob/phone,tablet")
	ring.Env = append(os.Environ(), "NATS_TOKEN="+busKey)
	out, err := ring.CombinedOutput()
	if err != nil {
		t.Fatalf("the example on NATS: %v\n%s", err, out)
	}
	for _, want := range []string{"1 call.created", "call.ring bob", "call.ringing bob", "call.accepted bob", "call.left eve hangup", "call.ended"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the example on NATS did not tell %q:\n%s", want, out)
		}
	}
	w.messenger.Start()
	e := bob.next("call.ended")
	if e.Call == call || e.Summary == nil || e.Summary.DurationMs < 900 {
		t.Errorf("bob's inbox ends with %+v, want the call that eve made meanwhile", e)
	}

	w.rivulet.Kill()
	w.rivulet.Start()
	bob.do(call, "hold", nil) // the call is still there
	if e := ann.hears("call.held", call); e.Number < 4 {
		t.Errorf("held is event %d of a call that has gone on", e.Number)
	}
	ann.do(call, "leave", nil)
	bob.hears("call.ended", call)
}

// next waits for an event of a type of any call.
func (p *phone) next(kind string) event {
	p.w.t.Helper()
	until := time.Now().Add(40 * time.Second)
	for time.Now().Before(until) {
		for len(p.waiting) > 0 {
			e := p.waiting[0]
			p.waiting = p.waiting[1:]
			if e.Type == kind {
				return e
			}
		}
		var answer struct {
			Events []event
			Last   int
		}
		p.w.ask(p.session, "GET", fmt.Sprint("/inbox?after=", p.last), nil, &answer)
		p.waiting, p.last = answer.Events, answer.Last
	}
	p.w.t.Fatalf("%s waited in vain for %s", p.name, kind)
	return event{}
}

package rest

import (
	_ "embed"
	"net/http"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// openAPI describes the routes; written by the tests with -update.
//
//go:embed openapi.json
var openAPI []byte

// route is one operation. The description is made of the same table.
type route struct {
	method, path string
	name, doc    string
	serve        serve
	// body is what a request carries, reply what it is answered with, for the
	// description.
	body, reply any
	status      int
	query       []parameter
}

type parameter struct{ name, doc string }

var polling = []parameter{
	{"after", "The number of the last event seen."},
	{"wait", "Seconds to wait for an event if there is none, at most 30."},
}

// verbDocs say what each command of a call does.
var verbDocs = map[signal.Verb]string{
	signal.CallRing:    "Ring users; into a running call too, which becomes a group with its third user.",
	signal.CallRinging: "A rung device shows the ring.",
	signal.CallAccept:  "A rung device answers; the first one of its user wins.",
	signal.CallDecline: "A rung device says no for its user.",
	signal.CallBusy:    "A rung device says that its user is in another call.",
	signal.CallCancel:  "End the ring of some users, or of all.",
	signal.CallHold:    "Stop a device's media both ways.",
	signal.CallResume:  "Let a device's media flow again.",
	signal.CallTake:    "Another device of a user takes over.",
	signal.CallLeave:   "A device leaves.",
	signal.CallEnd:     "End the call for everybody.",
}

var roomDocs = map[signal.RoomVerb]string{
	signal.RoomRemove:     "Take a participant out.",
	signal.RoomMute:       "Mute or unmute a track of a participant.",
	signal.RoomPermit:     "Replace what a participant may do.",
	signal.RoomLock:       "Let nobody else in, or let them in again.",
	signal.RoomEnd:        "End the room, and the call that it carries, for everybody.",
	signal.RoomAttributes: "Set attributes of a participant.",
	signal.RoomMessage:    "Carry bytes to participants.",
}

// routes lists the operations.
func routes() []route {
	all := []route{
		{method: http.MethodPost, path: "/v1/calls", name: "createCall", doc: "Make a call of a device, and ring users.", status: http.StatusCreated,
			serve: command(http.StatusCreated, func(*http.Request) signal.Body { return &signal.Call{Verb: signal.CallCreate} }),
			body:  signal.Call{}, reply: signal.Created{}},
		{method: http.MethodGet, path: "/v1/calls/{call}", name: "callState", doc: "How a call stands.", status: http.StatusOK,
			serve: command(http.StatusOK, func(r *http.Request) signal.Body { return &signal.CallQuery{Call: r.PathValue("call")} }),
			reply: signal.CallState{}},
		{method: http.MethodGet, path: "/v1/calls/{call}/events", name: "callEvents", doc: "What has happened in a call, by its own numbers; waits for more.",
			status: http.StatusOK, serve: events, reply: Page{}, query: polling},
		{method: http.MethodGet, path: "/v1/events", name: "events", status: http.StatusOK, serve: events, reply: Page{}, query: polling,
			doc: "What has happened in all calls and rooms; waits for more. Without after: no events, but where the feed stands."},
		{method: http.MethodGet, path: "/v1/rooms/{room}", name: "roomState", doc: "Who is in a room.", status: http.StatusOK,
			serve: command(http.StatusOK, func(r *http.Request) signal.Body { return &signal.RoomQuery{Room: r.PathValue("room")} }),
			reply: signal.RoomState{}},
	}
	for _, verb := range signal.Verbs() {
		if verb == signal.CallCreate {
			continue
		}
		all = append(all, route{
			method: http.MethodPost, path: "/v1/calls/{call}/" + string(verb), name: string(verb) + "Call", doc: verbDocs[verb], status: http.StatusOK,
			serve: command(http.StatusOK, func(*http.Request) signal.Body { return &signal.Call{Verb: verb} }),
			body:  signal.Call{}, reply: signal.Done{},
		})
	}
	for _, verb := range signal.RoomVerbs() {
		all = append(all, route{
			method: http.MethodPost, path: "/v1/rooms/{room}/" + string(verb), name: string(verb) + "Room", doc: roomDocs[verb], status: http.StatusOK,
			serve: command(http.StatusOK, func(*http.Request) signal.Body { return &signal.RoomControl{Verb: verb} }),
			body:  signal.RoomControl{}, reply: signal.Done{},
		})
	}
	return all
}

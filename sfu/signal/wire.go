package signal

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// The JSON form of version 1: one object, whose type stands beside the fields
// of the message. Adapters that carry JSON share it; unknown fields are ignored.

// DecodeCommand reads one command: its id and its body. The error is an *Error;
// the id is answered as far as it could be read, so that the refusal can name
// it.
func DecodeCommand(b []byte) (id string, body Body, err error) {
	var head struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", nil, Errorf(BadMessage, "the message is not a JSON object with a type and an id: %v", err)
	}
	if len(head.ID) > MaxCommandID {
		return "", nil, Errorf(BadMessage, "an id has at most %d bytes", MaxCommandID)
	}
	body = NewBody(head.Type)
	if body == nil {
		return head.ID, nil, Errorf(UnknownType, "there is no command %.32q", head.Type)
	}
	if err := json.Unmarshal(b, body); err != nil {
		return head.ID, nil, Errorf(BadMessage, "%s: %v", head.Type, err)
	}
	return head.ID, body, nil
}

// EncodeCommand writes a command, for clients.
func EncodeCommand(id string, body Body) ([]byte, error) {
	head := `{"type":` + strconv.Quote(body.Type())
	if id == "" {
		return flatten(head, body)
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	return flatten(head+`,"id":`+string(quoted), body)
}

// EncodeReply writes the reply to the command with an id.
func EncodeReply(id string, reply Reply) ([]byte, error) {
	head := `{"type":` + strconv.Quote(reply.ReplyType())
	quoted, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	return flatten(head+`,"re":`+string(quoted), reply)
}

// EncodeEvent writes an event.
func EncodeEvent(e Event) ([]byte, error) {
	return flatten(`{"type":`+strconv.Quote(e.Body.EventType())+`,"seq":`+strconv.FormatUint(e.Sequence, 10), e.Body)
}

// EncodeRefusal writes why the command with an id is refused.
func EncodeRefusal(id string, err error) ([]byte, error) {
	head := struct {
		Type string `json:"type"`
		ID   string `json:"re,omitempty"`
		*Error
	}{"error", id, AsError(err)}
	return json.Marshal(head)
}

// flatten writes the head and the fields of body as one object.
func flatten(head string, body any) ([]byte, error) {
	fields, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	out := []byte(head)
	if fields = bytes.TrimPrefix(fields, []byte("{")); len(fields) > 1 {
		out = append(out, ',')
	}
	return append(out, fields...), nil
}

// Incoming is one message of a server, as clients read it: a reply or a refusal
// of the command Re, or an event.
type Incoming struct {
	Re      string
	Reply   Reply
	Refusal *Error
	// Event is set for an event; its Body is nil for one that is not known here,
	// which is no error: a newer server may say more.
	Event *Event
}

// DecodeIncoming reads a message of a server.
func DecodeIncoming(b []byte) (Incoming, error) {
	var head struct {
		Type     string  `json:"type"`
		Re       string  `json:"re"`
		Sequence *uint64 `json:"seq"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Incoming{}, err
	}
	m := Incoming{Re: head.Re}
	switch {
	case head.Type == "error":
		m.Refusal = &Error{}
		return m, json.Unmarshal(b, m.Refusal)
	case head.Sequence != nil:
		m.Event = &Event{Sequence: *head.Sequence, Body: NewEvent(head.Type)}
		if m.Event.Body == nil {
			return m, nil
		}
		return m, json.Unmarshal(b, m.Event.Body)
	}
	if m.Reply = NewReply(head.Type); m.Reply == nil {
		return m, Errorf(UnknownType, "the server answers %.32q, which is not known", head.Type)
	}
	return m, json.Unmarshal(b, m.Reply)
}

// NewReply answers an empty reply of a type; nil for an unknown one.
func NewReply(name string) Reply {
	for _, r := range []Reply{
		&Joined{}, &Resumed{}, &Published{}, &Restarted{}, &Pong{}, &Done{},
		&Connected{}, &Created{}, &CallState{}, &CallEvents{}, &RoomState{}, &FeedState{},
	} {
		if r.ReplyType() == name {
			return r
		}
	}
	return nil
}

var callEventKinds = []CallEventKind{
	CallCreated, CallRung, CallAlerting, CallAccepted, CallElsewhere, CallDeclined, CallIsBusy, CallCancelled, CallMissed,
	CallHeld, CallResumed, CallTaken, CallUpgraded, CallLeft, CallGate, CallEnded,
}

// CallEventKinds lists what may happen to a call.
func CallEventKinds() []CallEventKind { return slices.Clone(callEventKinds) }

// NewEvent answers an empty event of a type; nil for an unknown one.
func NewEvent(name string) EventBody {
	if kind, found := strings.CutPrefix(name, "call."); found && slices.Contains(callEventKinds, CallEventKind(kind)) {
		return &CallEvent{Kind: CallEventKind(kind)}
	}
	if kind, found := strings.CutPrefix(name, "room."); found {
		switch kind := RoomEventKind(kind); kind {
		case RoomOpened, RoomJoined, RoomParted, RoomClosed:
			return &RoomEvent{Kind: kind}
		}
	}
	for _, e := range []EventBody{
		&ParticipantJoined{}, &ParticipantLeft{}, &TrackPublished{}, &TrackUnpublished{}, &TrackMuted{}, &SlotsChanged{},
		&SlotStates{}, &SpeakersChanged{}, &QualityChanged{}, &VoicesChanged{}, &Encode{}, &Closed{},
		&RoomLeft{}, &ParticipantUpdated{}, &RoomLocked{}, &Message{}, &DirectStep{},
	} {
		if e.EventType() == name {
			return e
		}
	}
	return nil
}

// MarshalJSON writes the event as EncodeEvent does.
func (e Event) MarshalJSON() ([]byte, error) { return EncodeEvent(e) }

// UnmarshalJSON reads it; the body of an unknown event stays nil.
func (e *Event) UnmarshalJSON(b []byte) error {
	m, err := DecodeIncoming(b)
	if err != nil {
		return err
	}
	if m.Event == nil {
		return Errorf(BadMessage, "this is no event: it has no seq")
	}
	*e = *m.Event
	return nil
}

// CallHistory asks for what has happened in a call; for backends. The reply is
// CallEvents.
type CallHistory struct {
	Call string `json:"call"`
	// After is the number of the last event seen; 0 for all.
	After uint64 `json:"after,omitempty"`
}

// CallEvents answers CallHistory.
type CallEvents struct {
	// Events are those that are kept, with the call's own numbers.
	Events []Event `json:"events"`
}

// Type answers the name on the wire.
func (*CallHistory) Type() string { return "call.events" }

// Validate bounds the fields.
func (c *CallHistory) Validate() error { return (&CallQuery{Call: c.Call}).Validate() }

// ReplyType answers the name on the wire.
func (*CallEvents) ReplyType() string { return "call.events" }

// FeedQuery asks where a tenant's feed stands, and for what has happened after an
// event; for backends. The reply is FeedState.
type FeedQuery struct {
	// After is the number of the last event seen; 0 asks for no events.
	After uint64 `json:"after,omitempty"`
}

// MaxFeedEvents bounds the events of one FeedState.
const MaxFeedEvents = 500

// FeedState answers FeedQuery.
type FeedState struct {
	// First is the number of the first event since the server started, Last that
	// of the newest.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Events are the first of those after FeedQuery.After, at most MaxFeedEvents.
	Events []Event `json:"events,omitempty"`
}

// Type answers the name on the wire.
func (*FeedQuery) Type() string { return "feed.state" }

// Validate has nothing to bound.
func (*FeedQuery) Validate() error { return nil }

// ReplyType answers the name on the wire.
func (*FeedState) ReplyType() string { return "feed.state" }

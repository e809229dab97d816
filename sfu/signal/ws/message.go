package ws

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Decode reads one message of a client: its id and its command. Unknown fields
// are ignored. The error is a *signal.Error; the id is answered as far as it
// could be read, so that the refusal can name it.
func Decode(b []byte) (id string, body signal.Body, err error) {
	var head struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", nil, signal.Errorf(signal.BadMessage, "the message is not a JSON object with a type and an id: %v", err)
	}
	if len(head.ID) > signal.MaxCommandID {
		return "", nil, signal.Errorf(signal.BadMessage, "an id has at most %d bytes", signal.MaxCommandID)
	}
	body = signal.NewBody(head.Type)
	if body == nil {
		return head.ID, nil, signal.Errorf(signal.UnknownType, "there is no command %.32q", head.Type)
	}
	if err := json.Unmarshal(b, body); err != nil {
		return head.ID, nil, signal.Errorf(signal.BadMessage, "%s: %v", head.Type, err)
	}
	return head.ID, body, nil
}

// replyMessage answers a command.
type replyMessage struct {
	id   string
	body signal.Reply
}

// MarshalJSON puts the type and the id in front of the reply's own fields.
func (m replyMessage) MarshalJSON() ([]byte, error) {
	return flatten(`{"type":`+strconv.Quote(m.body.ReplyType())+`,"re":`, m.id, m.body)
}

// eventMessage is an event.
type eventMessage struct {
	sequence uint64
	body     signal.EventBody
}

// MarshalJSON puts the type and the number in front of the event's own fields.
func (m eventMessage) MarshalJSON() ([]byte, error) {
	return flatten(`{"type":`+strconv.Quote(m.body.EventType())+`,"seq":`, m.sequence, m.body)
}

// errorMessage is a refusal.
type errorMessage struct {
	Type    string      `json:"type"`
	ID      string      `json:"re,omitempty"`
	Code    signal.Code `json:"code"`
	Message string      `json:"message"`
}

func refusal(id string, err error) errorMessage {
	e := signal.AsError(err)
	return errorMessage{Type: "error", ID: id, Code: e.Code, Message: e.Message}
}

// flatten writes the head, one value and the fields of body as one object.
func flatten(head string, value, body any) ([]byte, error) {
	v, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	fields, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	out := append([]byte(head), v...)
	if fields = bytes.TrimPrefix(fields, []byte("{")); len(fields) > 1 {
		out = append(out, ',')
	}
	return append(out, fields...), nil
}

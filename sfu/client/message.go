package client

import (
	"encoding/json"
	"fmt"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// incoming is one message of the server, decoded as far as its kind tells.
type incoming struct {
	re       string // id of the command that it answers
	sequence uint64 // of an event, 0 for a reply
	reply    signal.Reply
	event    signal.EventBody // nil for an event that is not known here
	refusal  *signal.Error
}

// newReply answers an empty reply of a type; nil for an unknown one.
func newReply(name string) signal.Reply {
	for _, r := range []signal.Reply{
		&signal.Joined{}, &signal.Resumed{}, &signal.Published{}, &signal.Restarted{}, &signal.Pong{}, &signal.Done{},
	} {
		if r.ReplyType() == name {
			return r
		}
	}
	return nil
}

// newEvent answers an empty event of a type; nil for an unknown one.
func newEvent(name string) signal.EventBody {
	for _, e := range []signal.EventBody{
		&signal.ParticipantJoined{}, &signal.ParticipantLeft{}, &signal.TrackPublished{}, &signal.TrackUnpublished{},
		&signal.TrackMuted{}, &signal.SlotsChanged{}, &signal.SlotStates{}, &signal.SpeakersChanged{},
		&signal.QualityChanged{}, &signal.Encode{}, &signal.Closed{},
	} {
		if e.EventType() == name {
			return e
		}
	}
	return nil
}

// decode reads a message. Unknown events are no error: a newer server may say
// more than we know.
func decode(b []byte) (incoming, error) {
	var head struct {
		Type     string      `json:"type"`
		Re       string      `json:"re"`
		Sequence uint64      `json:"seq"`
		Code     signal.Code `json:"code"`
		Message  string      `json:"message"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return incoming{}, fmt.Errorf("a message of the server is not JSON: %w", err)
	}
	m := incoming{re: head.Re, sequence: head.Sequence}
	switch {
	case head.Type == "error":
		m.refusal = &signal.Error{Code: head.Code, Message: head.Message}
		return m, nil
	case head.Sequence > 0:
		if m.event = newEvent(head.Type); m.event == nil {
			return m, nil
		}
		return m, json.Unmarshal(b, m.event)
	}
	if m.reply = newReply(head.Type); m.reply == nil {
		return m, fmt.Errorf("the server answers %.32q, which is not known", head.Type)
	}
	return m, json.Unmarshal(b, m.reply)
}

// encode writes a command.
func encode(id string, body signal.Body) ([]byte, error) {
	fields, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", body.Type(), err)
	}
	head, err := json.Marshal(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
	}{body.Type(), id})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", body.Type(), err)
	}
	if len(fields) > 2 {
		head = append(head[:len(head)-1], ',')
		head = append(head, fields[1:]...)
	}
	return head, nil
}

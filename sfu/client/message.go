package client

import (
	"encoding/json"
	"fmt"

	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
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

// decode reads a message with what is attached, which answers an offer. Unknown
// events are no error: a newer server may say more than we know.
func decode(b, attached []byte, o *brief.Offer) (incoming, error) {
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
		if m.event = signal.NewEvent(head.Type); m.event == nil {
			return m, nil
		}
		return m, json.Unmarshal(b, m.event)
	}
	if m.reply = signal.NewReply(head.Type); m.reply == nil {
		return m, fmt.Errorf("the server answers %.32q, which is not known", head.Type)
	}
	if err := json.Unmarshal(b, m.reply); err != nil {
		return m, err
	}
	return m, expand(m.reply, attached, o)
}

// encode writes a command.
func encode(id string, body signal.Body) ([]byte, error) {
	b, err := signal.EncodeCommand(id, body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", body.Type(), err)
	}
	return b, nil
}

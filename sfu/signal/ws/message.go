package ws

import (
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// replyMessage answers a command.
type replyMessage struct {
	id   string
	body signal.Reply
	// offer is what it answers, if that came in the brief form.
	offer *brief.Offer
}

// MarshalJSON writes it in the form of signal's.
func (m replyMessage) MarshalJSON() ([]byte, error) { return signal.EncodeReply(m.id, m.body) }

// errorMessage is a refusal.
type errorMessage struct {
	id  string
	err error
}

// MarshalJSON writes it in the form of signal's.
func (m errorMessage) MarshalJSON() ([]byte, error) { return signal.EncodeRefusal(m.id, m.err) }

func refusal(id string, err error) errorMessage { return errorMessage{id, err} }

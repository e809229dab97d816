package signal

import "time"

// Bounds of room control.
const (
	MaxAttributes     = 16
	MaxAttributeKey   = 64   // bytes
	MaxAttributeValue = 256  // bytes
	MaxMessage        = 1024 // bytes of a message between participants
)

// MaxBan is how long somebody may be kept out.
const MaxBan = 30 * 24 * time.Hour

// RoomControl is a command of a moderator (a participant with roomAdmin) or of
// a backend. Its type on the wire is "room." and the verb. A moderator's Room
// is its own, whatever it says.
type RoomControl struct {
	Verb RoomVerb `json:"-"`
	Room string   `json:"room,omitempty"`
	// Participant is whom it is about: a participant's id, or its identity.
	Participant string `json:"participant,omitempty"`
	// BanMS is of remove: for how long whoever has the participant's identity may
	// not come back into the room, in milliseconds; 0 for no ban, at most MaxBan.
	BanMS int64 `json:"banMs,omitempty"`
	// Source and Muted are of mute. A participant who was muted by another may
	// unmute itself: forbid the source by permit if it must not.
	Source Source `json:"source,omitempty"`
	Muted  bool   `json:"muted,omitempty"`
	// Permissions is of permit: all of it each time.
	Permissions *Permissions `json:"permissions,omitempty"`
	// Locked is of lock: nobody else gets in.
	Locked bool `json:"locked,omitempty"`
	// Attributes are of attributes: an empty value takes one away, those not
	// named stay. A participant may set its own.
	Attributes map[string]string `json:"attributes,omitempty"`
	// To, Topic and Payload are of message, which a participant may send too. An
	// empty To is everybody else.
	To      []string `json:"to,omitempty"`
	Topic   string   `json:"topic,omitempty"`
	Payload []byte   `json:"payload,omitempty"`
}

// RoomVerb is what a RoomControl asks for.
type RoomVerb string

// The verbs of room control.
const (
	RoomRemove     RoomVerb = "remove"
	RoomMute       RoomVerb = "mute"
	RoomPermit     RoomVerb = "permit"
	RoomLock       RoomVerb = "lock"
	RoomEnd        RoomVerb = "end"
	RoomAttributes RoomVerb = "attributes"
	RoomMessage    RoomVerb = "message"
)

var roomVerbs = []RoomVerb{RoomRemove, RoomMute, RoomPermit, RoomLock, RoomEnd, RoomAttributes, RoomMessage}

// RoomVerbs lists the verbs of room control.
func RoomVerbs() []RoomVerb { return append([]RoomVerb(nil), roomVerbs...) }

// Permissions are what a participant may do, in place of what its token says.
type Permissions struct {
	Publish bool `json:"publish"`
	// Sources that may be published; empty for all.
	Sources   []Source `json:"sources,omitempty"`
	Subscribe bool     `json:"subscribe"`
	Admin     bool     `json:"admin,omitempty"`
}

// RoomQuery asks who is in a room. The reply is RoomState.
type RoomQuery struct {
	Room string `json:"room,omitempty"`
}

// Type answers the name on the wire.
func (c *RoomControl) Type() string { return "room." + string(c.Verb) }
func (*RoomQuery) Type() string     { return "room.state" }

// Validate bounds the fields.
func (c *RoomControl) Validate() error {
	if err := validText("room", c.Room, MaxNameLength); err != nil {
		return err
	}
	if err := validText("participant", c.Participant, MaxNameLength); err != nil {
		return err
	}
	switch c.Verb {
	case RoomRemove, RoomMute, RoomPermit:
		if c.Participant == "" {
			return Errorf(BadMessage, "%s: participant is missing", c.Type())
		}
	}
	if c.BanMS < 0 || c.BanMS > MaxBan.Milliseconds() {
		return Errorf(BadMessage, "room.remove: banMs must be 0 to %d", MaxBan.Milliseconds())
	}
	switch c.Verb {
	case RoomMute:
		if !c.Source.Valid() {
			return Errorf(BadMessage, "room.mute: unknown source %.32q", string(c.Source))
		}
	case RoomPermit:
		if c.Permissions == nil || len(c.Permissions.Sources) > MaxSections {
			return Errorf(BadMessage, "room.permit: permissions are missing, or name too many sources")
		}
		for _, s := range c.Permissions.Sources {
			if !s.Valid() {
				return Errorf(BadMessage, "room.permit: unknown source %.32q", string(s))
			}
		}
	case RoomAttributes:
		return validAttributes(c.Attributes)
	case RoomMessage:
		if len(c.Payload) > MaxMessage || len(c.To) > MaxTargets {
			return Errorf(TooLarge, "room.message: at most %d bytes to at most %d participants", MaxMessage, MaxTargets)
		}
		return validText("topic", c.Topic, MaxNameLength)
	}
	return nil
}

func validAttributes(all map[string]string) error {
	if len(all) == 0 || len(all) > MaxAttributes {
		return Errorf(BadMessage, "room.attributes: 1 to %d attributes", MaxAttributes)
	}
	for key, value := range all {
		if key == "" {
			return Errorf(BadMessage, "room.attributes: an attribute without a name")
		}
		if err := validText("attribute", key, MaxAttributeKey); err != nil {
			return err
		}
		if err := validText("attribute", value, MaxAttributeValue); err != nil {
			return err
		}
	}
	return nil
}

// Validate bounds the fields.
func (c *RoomQuery) Validate() error { return validText("room", c.Room, MaxNameLength) }

// RoomState answers RoomQuery.
type RoomState struct {
	Room         string        `json:"room"`
	Locked       bool          `json:"locked,omitempty"`
	Participants []Participant `json:"participants"`
}

// ReplyType answers the name on the wire.
func (*RoomState) ReplyType() string { return "room.state" }

// ParticipantUpdated tells that the attributes or permissions of a participant
// have changed; all of them as they are now.
type ParticipantUpdated struct {
	Participant string            `json:"participant"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Permissions *Permissions      `json:"permissions,omitempty"`
}

// RoomLocked tells that nobody else gets in any longer, or that they do again.
type RoomLocked struct {
	Locked bool `json:"locked"`
}

// Message is data from one participant, or from the backend where From is
// empty, to others.
type Message struct {
	From    string `json:"from,omitempty"`
	Topic   string `json:"topic,omitempty"`
	Payload []byte `json:"payload,omitempty"`
}

// EventType answers the name on the wire.
func (*ParticipantUpdated) EventType() string { return "participant_updated" }
func (*RoomLocked) EventType() string         { return "room_locked" }
func (*Message) EventType() string            { return "message" }

// RoomEvent tells a backend of a room. Its type on the wire is "room." and the
// kind.
type RoomEvent struct {
	Kind RoomEventKind `json:"-"`
	Room string        `json:"room"`
	At   int64         `json:"at"` // milliseconds since 1970
	// Participant and Identity are of joined and left.
	Participant string `json:"participant,omitempty"`
	Identity    string `json:"identity,omitempty"`
	Reason      Code   `json:"reason,omitempty"` // of left
	// Sent and Received are bytes of IP packets that the participant has sent
	// and received, MOS the opinion score of what it heard, on a Scale
	// (narrowband, wideband, fullband); of left.
	Sent     int64   `json:"sent,omitempty"`
	Received int64   `json:"received,omitempty"`
	MOS      float64 `json:"mos,omitempty"`
	Scale    string  `json:"mosScale,omitempty"`
}

// RoomEventKind is what happened to a room.
type RoomEventKind string

// What backends are told of rooms.
const (
	RoomOpened RoomEventKind = "opened"
	RoomJoined RoomEventKind = "joined"
	RoomParted RoomEventKind = "left"
	RoomClosed RoomEventKind = "closed"
)

// EventType answers the name on the wire.
func (e *RoomEvent) EventType() string { return "room." + string(e.Kind) }

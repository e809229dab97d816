package signal

// Backend says that a command is an application's own, on behalf of a tenant.
// Adapters set it after they have made sure of that.
type Backend struct{ Tenant string }

// Connect begins a session of the call plane: of one device of a user, which is
// told of the calls that concern it, or, with a backend's token, of a backend,
// which is told of all of its tenant. The reply is Connected.
type Connect struct {
	Version int    `json:"version"`
	Token   string `json:"token,omitempty"`
	// User is honoured only by a server that needs no tokens.
	User string `json:"user,omitempty"`
	// Device is the device's id, the same each time; that of the token wins.
	Device string `json:"device,omitempty"`
	// Backend asks for a backend's session on a server that needs no tokens.
	Backend bool `json:"backend,omitempty"`
	// After is the number of the last event that a backend has seen.
	After  uint64 `json:"after,omitempty"`
	Client string `json:"client,omitempty"`
}

// Type answers the name on the wire.
func (*Connect) Type() string { return "connect" }

// Validate bounds the fields.
func (c *Connect) Validate() error {
	if err := validVersion(c.Version); err != nil {
		return err
	}
	if len(c.Token) > MaxTokenLength {
		return Errorf(BadToken, "the token has %d bytes; at most %d are accepted", len(c.Token), MaxTokenLength)
	}
	for field, text := range map[string]string{"user": c.User, "device": c.Device, "client": c.Client} {
		if err := validText(field, text, MaxNameLength); err != nil {
			return err
		}
	}
	return nil
}

// Connected answers Connect.
type Connected struct {
	Session string `json:"-"`
	User    string `json:"user,omitempty"`
	Device  string `json:"device,omitempty"`
	Backend bool   `json:"backend,omitempty"`
	// Resume and ResumeSeconds are as in Joined.
	Resume        string `json:"resume,omitempty"`
	ResumeSeconds int    `json:"resumeSeconds,omitempty"`
	// Calls are those that the user is in or rung by.
	Calls []CallState `json:"calls,omitempty"`
	// Sequence is the number of the last event before this snapshot.
	Sequence    uint64 `json:"sequence"`
	PingSeconds int    `json:"pingSeconds"`
}

// ReplyType answers the name on the wire.
func (*Connected) ReplyType() string { return "connected" }

// RoomLeft tells a session of the call plane that its device is in the room no
// longer, as Closed tells a session of the media plane; this one goes on.
type RoomLeft struct {
	Room    string `json:"room"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Rejoin  bool   `json:"rejoin"`
}

// EventType answers the name on the wire.
func (*RoomLeft) EventType() string { return "left" }

package signal

import (
	"slices"
	"strings"
)

// Bounds of what a client may send.
const (
	MaxMessageSize  = 128 << 10 // bytes of one message, decompressed
	MaxOfferSize    = 96 << 10  // bytes; a browser's with nine pictures has 60 kB
	MaxOfferLines   = 4000
	MaxNameLength   = 64 // bytes, also of a room's name
	MaxTokenLength  = 8 << 10
	MaxViews        = 64
	MaxSections     = 8
	MaxLayers       = 4
	MaxCandidate    = 512 // bytes of one candidate line
	MaxDimension    = 8192
	MaxCommandID    = 64
	MaxClientLength = 64
	MinDataBudget   = 100_000 // bytes: below, not even a minute of voice
	MaxDataBudget   = 1_000_000_000_000
)

// Source says what a track shows. The names are those of other engines.
type Source string

// What a participant may publish; one track of each.
const (
	Microphone  Source = "microphone"
	Camera      Source = "camera"
	Screen      Source = "screen"
	ScreenAudio Source = "screen_audio"
)

// Video says whether the source is a picture.
func (s Source) Video() bool { return s == Camera || s == Screen }

// Valid says whether the source is one of the list.
func (s Source) Valid() bool {
	return s == Microphone || s == Camera || s == Screen || s == ScreenAudio
}

// DataMode is how much data a participant wants to spend.
type DataMode string

// The data modes.
const (
	DataAuto      DataMode = "auto"
	DataLow       DataMode = "low"   // lowest picture layers only
	DataVoiceOnly DataMode = "voice" // no video at all
)

// Section names what the client sends on one media section of its offer.
type Section struct {
	MID    string `json:"mid"`
	Source Source `json:"source"`
}

// Join enters a room: the offer travels here and the answer in Joined, so that
// joining costs one round trip.
type Join struct {
	Version int    `json:"version"`
	Room    string `json:"room"`
	Token   string `json:"token,omitempty"`
	// Name is shown to others; a name in the token wins.
	Name string `json:"name,omitempty"`
	// Identity is honoured only by a server that needs no tokens; it lets a
	// reloaded page replace itself. A token's identity wins.
	Identity string `json:"identity,omitempty"`
	// Offer is the SDP offer with all sections of the whole call. Empty joins
	// without media (signalling only).
	Offer string `json:"offer,omitempty"`
	// Send names the sections on which the client sends.
	Send []Section `json:"send,omitempty"`
	// Publish is what is on from the start: the same as a publish command for each.
	Publish  []Publish `json:"publish,omitempty"`
	DataMode DataMode  `json:"dataMode,omitempty"`
	// DataBudget bounds what is spent on what is received; see SetDataMode.
	DataBudget *DataBudget `json:"dataBudget,omitempty"`
	// Encodes says that the client obeys the event Encode. One that does not is
	// held to its limits by REMB, where it heeds that.
	Encodes bool `json:"encodes,omitempty"`
	// ListensLate says that the client listens for pictures only once it was told
	// of a camera or screen. Where Joined tells of none, none is sent before the
	// first Acknowledge of a video slot.
	ListensLate bool `json:"listensLate,omitempty"`
	// Hello says that the client takes the server's first message of DTLS from
	// Joined, if the server sends it there.
	Hello bool `json:"hello,omitempty"`
	// Client names the software, such as "web/0.1"; for statistics.
	Client string `json:"client,omitempty"`
}

// Resume takes a session up again on a new connection.
type Resume struct {
	Version int    `json:"version"`
	Token   string `json:"token"` // from Joined.Resume
	// After is the sequence number of the last event seen.
	After uint64 `json:"after"`
}

// Layer is one simulcast layer, from small to large.
type Layer struct {
	RID     string `json:"rid"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	MaxRate int    `json:"maxRate,omitempty"` // bits per second
}

// Publish starts a track on the section of its source.
type Publish struct {
	Source Source  `json:"source"`
	Muted  bool    `json:"muted,omitempty"`
	Width  int     `json:"width,omitempty"`
	Height int     `json:"height,omitempty"`
	Layers []Layer `json:"layers,omitempty"`
	// Encrypted says that payloads are encrypted end to end: the server passes
	// them as they are, and neither mixes nor repacks them.
	Encrypted bool `json:"encrypted,omitempty"`
}

// Unpublish ends the track of a source.
type Unpublish struct {
	Source Source `json:"source"`
}

// Mute silences or blanks the track of a source, or ends that.
type Mute struct {
	Source Source `json:"source"`
	Muted  bool   `json:"muted"`
}

// TrackView is how one track is shown.
type TrackView struct {
	Track string `json:"track"`
	// Width and Height are device pixels; 0 when unknown.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Priority is 0 (least) to 9; pinned or large tiles have more.
	Priority int `json:"priority,omitempty"`
}

// View says which pictures the client wants to see: the whole list each time.
// Before the first one the server shows those who spoke last.
type View struct {
	Tracks []TrackView `json:"tracks"`
}

// Restart renews ICE (network change) without leaving: a new offer with the
// same sections. The reply is Restarted.
type Restart struct {
	Offer string `json:"offer"`
}

// Candidate adds one ICE candidate of the client, as in RFC 8839 §5.1. It is
// optional: the server learns the client's addresses from its checks.
type Candidate struct {
	Candidate string `json:"candidate"`
	MID       string `json:"mid,omitempty"`
}

// DataBudget is how many bytes on the wire may be spent on what a participant
// receives; 0 is no bound. Voice is never silenced for it: video gives way.
type DataBudget struct {
	// Call is for this participant's whole stay, rejoins not counted.
	Call int64 `json:"call,omitempty"`
	// Hour is for each hour, as a rate that is evened out over minutes.
	Hour int64 `json:"hour,omitempty"`
}

// SetDataMode changes the data mode, and the data budget with it.
type SetDataMode struct {
	Mode DataMode `json:"mode"`
	// Budget replaces the budget; nil leaves it as it is.
	Budget *DataBudget `json:"budget,omitempty"`
}

// Acknowledge says that the client knows what a slot carries, so that packets
// need not carry the source's short id any longer.
type Acknowledge struct {
	Slot   int    `json:"slot"`
	Source uint32 `json:"source"`
}

// Ping measures the round trip of the signalling; the reply is Pong.
type Ping struct{}

// Leave ends the session. In a session of the call plane it leaves the room, if
// the device is in one, and ends the session only with All.
type Leave struct {
	All bool `json:"all,omitempty"`
	// Room is the one to leave, where the device may be in another by now; empty
	// for whichever it is in.
	Room string `json:"room,omitempty"`
}

// Type answers the name on the wire.
func (*Join) Type() string        { return "join" }
func (*Resume) Type() string      { return "resume" }
func (*Publish) Type() string     { return "publish" }
func (*Unpublish) Type() string   { return "unpublish" }
func (*Mute) Type() string        { return "mute" }
func (*View) Type() string        { return "view" }
func (*Restart) Type() string     { return "restart" }
func (*Candidate) Type() string   { return "candidate" }
func (*SetDataMode) Type() string { return "data_mode" }
func (*Acknowledge) Type() string { return "ack" }
func (*Ping) Type() string        { return "ping" }
func (*Leave) Type() string       { return "leave" }

// NewBody answers an empty command of a type, or nil if there is none.
func NewBody(name string) Body {
	switch name {
	case "join":
		return &Join{}
	case "resume":
		return &Resume{}
	case "publish":
		return &Publish{}
	case "unpublish":
		return &Unpublish{}
	case "mute":
		return &Mute{}
	case "view":
		return &View{}
	case "restart":
		return &Restart{}
	case "candidate":
		return &Candidate{}
	case "data_mode":
		return &SetDataMode{}
	case "ack":
		return &Acknowledge{}
	case "ping":
		return &Ping{}
	case "leave":
		return &Leave{}
	case "connect":
		return &Connect{}
	case "direct":
		return &Direct{}
	case "call.state":
		return &CallQuery{}
	case "feed.state":
		return &FeedQuery{}
	case "call.events":
		return &CallHistory{}
	case "room.state":
		return &RoomQuery{}
	}
	if verb, found := strings.CutPrefix(name, "call."); found && slices.Contains(verbs, Verb(verb)) {
		return &Call{Verb: Verb(verb)}
	}
	if verb, found := strings.CutPrefix(name, "room."); found && slices.Contains(roomVerbs, RoomVerb(verb)) {
		return &RoomControl{Verb: RoomVerb(verb)}
	}
	return nil
}

package signal

import "slices"

// Track is what a participant publishes, as others see it.
type Track struct {
	ID     string `json:"id"`
	Source Source `json:"source"`
	Muted  bool   `json:"muted,omitempty"`
	// Encrypted says that payloads are encrypted end to end.
	Encrypted bool    `json:"encrypted,omitempty"`
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	Layers    []Layer `json:"layers,omitempty"`
}

// Participant is one member of a room, as others see it.
type Participant struct {
	ID       string  `json:"id"`
	Identity string  `json:"identity"`
	Name     string  `json:"name,omitempty"`
	Tracks   []Track `json:"tracks,omitempty"`
	// Attributes are set by participants, moderators and backends.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Shows says whether the participant has a camera or screen on, muted or not.
func (p Participant) Shows() bool {
	return slices.ContainsFunc(p.Tracks, func(t Track) bool { return t.Source.Video() })
}

// ICEServer is one entry for RTCConfiguration.iceServers.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Slot tells which media section of the client's offer a slot is.
type Slot struct {
	Slot  int    `json:"slot"`
	MID   string `json:"mid"`
	Video bool   `json:"video,omitempty"`
}

// Assignment tells what a slot carries. An empty Track means nothing.
type Assignment struct {
	Slot  int    `json:"slot"`
	Track string `json:"track,omitempty"`
	// Participant owns the track.
	Participant string `json:"participant,omitempty"`
	// Source is the track's short id in this room, 1 to 65535: packets carry
	// it as CSRC until it is acknowledged.
	Source uint32 `json:"source,omitempty"`
	// Mixed says that the slot carries everybody else's voices in one stream,
	// because the way to this participant carries no more. Track is empty then.
	Mixed bool `json:"mixed,omitempty"`
}

// SlotState tells what of a slot's track is received, and why not more.
type SlotState struct {
	Slot   int    `json:"slot"`
	Paused bool   `json:"paused,omitempty"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Reason string `json:"reason"`
}

// Joined answers Join.
type Joined struct {
	// Session names the session to the engine; adapters keep it, clients
	// need only Resume.
	Session     string `json:"-"`
	Participant string `json:"participant"`
	Identity    string `json:"identity"`
	// Name is the name shown to others: that of the token, or of Join.
	Name string `json:"name,omitempty"`
	Room string `json:"room"`
	// Resume is a secret with which a lost connection is taken up again for
	// ResumeSeconds after it was lost.
	Resume        string `json:"resume"`
	ResumeSeconds int    `json:"resumeSeconds"`
	Answer        string `json:"answer,omitempty"`
	// Hello is the random of the server's ClientHello of DTLS (profile.Hello): the client
	// is the DTLS server, whatever Answer says, and answers this with its first check.
	Hello        []byte        `json:"hello,omitempty"`
	ICEServers   []ICEServer   `json:"iceServers,omitempty"`
	Slots        []Slot        `json:"slots,omitempty"`
	Participants []Participant `json:"participants"`
	Assignments  []Assignment  `json:"assignments,omitempty"`
	// Locked says that nobody else gets in.
	Locked bool `json:"locked,omitempty"`
	// Admin says that the participant is a moderator.
	Admin bool `json:"admin,omitempty"`
	// Gated says that media may be built and flows only once the call is
	// answered.
	Gated bool `json:"gated,omitempty"`
	// Tracks are the ids of what Join.Publish began.
	Tracks []Track `json:"tracks,omitempty"`
	// Sequence is the number of the last event before this snapshot.
	Sequence uint64 `json:"sequence"`
	// PingSeconds is how often the client should ping.
	PingSeconds int `json:"pingSeconds"`
}

// Resumed answers Resume; the missed events follow.
type Resumed struct {
	Session string `json:"-"`
	// CallPlane says that the session is one that Connect began.
	CallPlane   bool   `json:"-"`
	Participant string `json:"participant,omitempty"`
	Sequence    uint64 `json:"sequence"`
	// ICEServers are fresh: the old credentials may have expired.
	ICEServers []ICEServer `json:"iceServers,omitempty"`
}

// Published answers Publish.
type Published struct {
	Track Track `json:"track"`
}

// Restarted answers Restart.
type Restarted struct {
	Answer     string      `json:"answer"`
	ICEServers []ICEServer `json:"iceServers,omitempty"`
}

// Pong answers Ping.
type Pong struct{}

// Done answers every command that has nothing to tell.
type Done struct{}

// ReplyType answers the name on the wire.
func (*Joined) ReplyType() string    { return "joined" }
func (*Resumed) ReplyType() string   { return "resumed" }
func (*Published) ReplyType() string { return "published" }
func (*Restarted) ReplyType() string { return "restarted" }
func (*Pong) ReplyType() string      { return "pong" }
func (*Done) ReplyType() string      { return "done" }

// ParticipantJoined tells of a new member.
type ParticipantJoined struct {
	Participant Participant `json:"participant"`
}

// ParticipantLeft tells that a member is gone.
type ParticipantLeft struct {
	Participant string `json:"participant"`
	Reason      Code   `json:"reason"`
}

// TrackPublished tells of a new track.
type TrackPublished struct {
	Participant string `json:"participant"`
	Track       Track  `json:"track"`
}

// TrackUnpublished tells that a track is gone.
type TrackUnpublished struct {
	Participant string `json:"participant"`
	Track       string `json:"track"`
}

// TrackMuted tells that a track was muted or unmuted.
type TrackMuted struct {
	Participant string `json:"participant"`
	Track       string `json:"track"`
	Muted       bool   `json:"muted"`
}

// SlotsChanged tells what slots carry from now on; slots not named keep theirs.
type SlotsChanged struct {
	Slots []Assignment `json:"slots"`
}

// SlotStates tells what is received on video slots and why not more.
type SlotStates struct {
	States []SlotState `json:"states"`
}

// Speaker is one who speaks now.
type Speaker struct {
	Participant string `json:"participant"`
	Level       int    `json:"level"` // 0 (silence) to 127 (loudest)
}

// SpeakersChanged lists all who speak now, loudest first.
type SpeakersChanged struct {
	Speakers []Speaker `json:"speakers"`
}

// Quality is how well a participant's connection does.
type Quality string

// The qualities, from best to worst.
const (
	Excellent Quality = "excellent"
	Good      Quality = "good"
	Poor      Quality = "poor"
	Lost      Quality = "lost"
)

// ParticipantQuality is the quality of one member's connection.
type ParticipantQuality struct {
	Participant string  `json:"participant"`
	Quality     Quality `json:"quality"`
}

// QualityChanged tells whose quality changed.
type QualityChanged struct {
	Participants []ParticipantQuality `json:"participants"`
}

// VoicesKind is in which shape the voices of others come.
type VoicesKind string

// The shapes of voices.
const (
	VoicesSeparate VoicesKind = "separate" // each as its own stream
	VoicesThinned  VoicesKind = "thinned"  // the one there is, made thinner by the server
	VoicesMixed    VoicesKind = "mixed"    // everybody else's in one stream
	VoicesSingle   VoicesKind = "single"   // the loudest alone, for the server cannot mix
)

// VoicesReason is why only a single voice comes.
type VoicesReason string

// Why the server cannot mix.
const (
	VoicesEncrypted VoicesReason = "encrypted" // payloads are encrypted end to end
	VoicesNoCodec   VoicesReason = "no_codec"  // it was built without the Opus codec
)

// VoicesChanged tells in which shape voices come from now on, where the path to
// the receiver does not carry them all, and when it does again.
type VoicesChanged struct {
	Kind   VoicesKind   `json:"kind"`
	Reason VoicesReason `json:"reason,omitempty"` // of single
}

// EncodeLayer is how one simulcast layer, or one stream, is to be sent from now on. Zero means
// no limit beyond the encoder's own.
type EncodeLayer struct {
	RID    string `json:"rid"`
	Active bool   `json:"active"`
	// MaxRate is in bits per second of payload, headers not counted (RFC 3890's
	// TIAS, as RTCRtpEncodingParameters.maxBitrate has it).
	MaxRate int `json:"maxRate,omitempty"`
	// MaxFrameRate is in frames per second.
	MaxFrameRate int `json:"maxFrameRate,omitempty"`
	// Scale is by how much width and height of the source are divided.
	Scale float64 `json:"scale,omitempty"`
	// Spatials is how many layers inside a scalable stream are sent, from the
	// smallest up; Scale then is that of the largest of them.
	Spatials int `json:"spatials,omitempty"`
}

// EncodeAudio is how a source of sound is to be sent from now on.
type EncodeAudio struct {
	// MaxRate is in bits per second of payload, headers not counted (RFC 7587
	// §6.1, maxaveragebitrate).
	MaxRate int `json:"maxRate"`
	// PacketTime is in milliseconds (RFC 8866 §6.4, ptime).
	PacketTime int `json:"packetTime"`
	// DTX is to send almost nothing in silence (RFC 7587 §6.1, usedtx).
	DTX bool `json:"dtx"`
	// FEC is the coder's own redundancy (RFC 7587 §6.1, useinbandfec).
	FEC bool `json:"fec"`
	// RED is how many earlier packets each packet is to repeat (RFC 2198).
	RED int `json:"red"`
}

// Encode tells a publisher how to encode one source, so that nothing is sent
// that nobody receives. It replaces what was told of that source before.
type Encode struct {
	Source Source `json:"source"`
	// Layers are those of a video source, all of them, the smallest first.
	Layers []EncodeLayer `json:"layers,omitempty"`
	// Audio is that of a source of sound.
	Audio *EncodeAudio `json:"audio,omitempty"`
}

// Closed tells that the session has ended; it is the last event.
type Closed struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Rejoin says whether joining again makes sense.
	Rejoin bool `json:"rejoin"`
}

// EventType answers the name on the wire.
func (*ParticipantJoined) EventType() string { return "participant_joined" }
func (*ParticipantLeft) EventType() string   { return "participant_left" }
func (*TrackPublished) EventType() string    { return "track_published" }
func (*TrackUnpublished) EventType() string  { return "track_unpublished" }
func (*TrackMuted) EventType() string        { return "track_muted" }
func (*SlotsChanged) EventType() string      { return "slots" }
func (*SlotStates) EventType() string        { return "slot_states" }
func (*SpeakersChanged) EventType() string   { return "speakers" }
func (*QualityChanged) EventType() string    { return "quality" }
func (*VoicesChanged) EventType() string     { return "voices" }
func (*Encode) EventType() string            { return "encode" }
func (*Closed) EventType() string            { return "closed" }

package signal

import (
	"strings"
	"unicode/utf8"
)

// Validate bounds the fields.
func (c *Join) Validate() error {
	if err := validVersion(c.Version); err != nil {
		return err
	}
	if err := ValidRoom(c.Room); err != nil {
		return err
	}
	if err := validText("name", c.Name, MaxNameLength); err != nil {
		return err
	}
	if err := validText("identity", c.Identity, MaxNameLength); err != nil {
		return err
	}
	if err := validText("client", c.Client, MaxClientLength); err != nil {
		return err
	}
	if len(c.Token) > MaxTokenLength {
		return Errorf(BadToken, "the token has %d bytes; at most %d are accepted", len(c.Token), MaxTokenLength)
	}
	if c.Offer != "" {
		if err := ValidOffer(c.Offer); err != nil {
			return err
		}
	}
	if len(c.Send) > MaxSections || len(c.Publish) > MaxSections {
		return Errorf(BadMessage, "at most %d sections may be sent", MaxSections)
	}
	for _, s := range c.Send {
		if !s.Source.Valid() || len(s.MID) > 16 || s.MID == "" {
			return Errorf(BadMessage, "send: each section needs a mid of 1 to 16 bytes and a known source")
		}
	}
	for i := range c.Publish {
		if err := c.Publish[i].Validate(); err != nil {
			return err
		}
	}
	if err := c.DataBudget.validate("join"); err != nil {
		return err
	}
	if c.DataMode == "" {
		return nil
	}
	return (&SetDataMode{Mode: c.DataMode}).Validate()
}

// Validate bounds the fields.
func (c *Resume) Validate() error {
	if err := validVersion(c.Version); err != nil {
		return err
	}
	if len(c.Token) == 0 || len(c.Token) > 128 {
		return Errorf(UnknownSession, "the resume token is not one of ours")
	}
	return nil
}

// Validate bounds the fields.
func (c *Publish) Validate() error {
	if !c.Source.Valid() {
		return Errorf(BadMessage, "publish: unknown source %.32q", string(c.Source))
	}
	if !validSize(c.Width) || !validSize(c.Height) {
		return Errorf(BadMessage, "publish: width and height must be 0 to %d", MaxDimension)
	}
	if len(c.Layers) > MaxLayers {
		return Errorf(BadMessage, "publish: at most %d layers", MaxLayers)
	}
	for _, l := range c.Layers {
		if l.RID == "" || len(l.RID) > 16 || !validSize(l.Width) || !validSize(l.Height) || l.MaxRate < 0 {
			return Errorf(BadMessage, "publish: a layer needs a rid of 1 to 16 bytes, sizes of 0 to %d and no negative rate", MaxDimension)
		}
	}
	return nil
}

// Validate bounds the fields.
func (c *Unpublish) Validate() error { return (&Publish{Source: c.Source}).Validate() }

// Validate bounds the fields.
func (c *Mute) Validate() error { return (&Publish{Source: c.Source}).Validate() }

// Validate bounds the fields.
func (c *View) Validate() error {
	if len(c.Tracks) > MaxViews {
		return Errorf(BadMessage, "view: at most %d tracks", MaxViews)
	}
	for _, v := range c.Tracks {
		if len(v.Track) == 0 || len(v.Track) > 64 || !validSize(v.Width) || !validSize(v.Height) || v.Priority < 0 || v.Priority > 9 {
			return Errorf(BadMessage, "view: each entry needs a track id, sizes of 0 to %d and a priority of 0 to 9", MaxDimension)
		}
	}
	return nil
}

// Validate bounds the fields.
func (c *Restart) Validate() error { return ValidOffer(c.Offer) }

// Validate bounds the fields. Whether the line is a candidate is told by the peer.
func (c *Candidate) Validate() error {
	if len(c.Candidate) > MaxCandidate || len(c.MID) > 16 {
		return Errorf(BadCandidate, "a candidate has at most %d bytes", MaxCandidate)
	}
	return nil
}

// Validate bounds the fields.
func (c *SetDataMode) Validate() error {
	switch c.Mode {
	case DataAuto, DataLow, DataVoiceOnly:
		return c.Budget.validate("data_mode")
	}
	return Errorf(BadMessage, "data_mode: %.32q is none of auto, low, voice", string(c.Mode))
}

// validate bounds the budget of a command; nil is none.
func (b *DataBudget) validate(command string) error {
	if b == nil {
		return nil
	}
	for _, n := range [...]int64{b.Call, b.Hour} {
		if n < 0 || n > MaxDataBudget || n > 0 && n < MinDataBudget {
			return Errorf(BadMessage, "%s: a data budget is 0 (no bound) or %d to %d bytes", command, int64(MinDataBudget), int64(MaxDataBudget))
		}
	}
	return nil
}

// Validate bounds the fields.
func (c *Acknowledge) Validate() error {
	if c.Slot < 0 || c.Slot > 64 {
		return Errorf(UnknownSlot, "there is no slot %d", c.Slot)
	}
	return nil
}

// Validate has nothing to bound.
func (*Ping) Validate() error { return nil }

// Validate bounds the fields.
func (c *Leave) Validate() error { return validText("room", c.Room, MaxNameLength) }

// ValidRoom bounds a room's name: 1 to 64 bytes of printable UTF-8.
func ValidRoom(name string) error {
	if name == "" {
		return Errorf(BadMessage, "the room's name is missing")
	}
	return validText("room", name, MaxNameLength)
}

// ValidOffer bounds an SDP text before anything parses it.
func ValidOffer(sdp string) error {
	switch {
	case len(sdp) > MaxOfferSize:
		return Errorf(BadOffer, "the offer has %d bytes; at most %d are accepted", len(sdp), MaxOfferSize)
	case strings.Count(sdp, "\n") > MaxOfferLines:
		return Errorf(BadOffer, "the offer has more than %d lines", MaxOfferLines)
	case !strings.HasPrefix(sdp, "v=0"):
		return Errorf(BadOffer, "the offer is not SDP: it does not begin with v=0")
	}
	return nil
}

func validVersion(v int) error {
	if v != Version {
		return Errorf(UnsupportedVersion, "protocol version %d is not spoken here; use %d", v, Version)
	}
	return nil
}

func validText(field, s string, limit int) error {
	if len(s) > limit {
		return Errorf(BadMessage, "%s has %d bytes; at most %d are accepted", field, len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Errorf(BadMessage, "%s must be printable UTF-8", field)
	}
	return nil
}

func validSize(v int) bool { return v >= 0 && v <= MaxDimension }

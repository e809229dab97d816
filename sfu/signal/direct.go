package signal

// Bounds of what devices tell each other on the way to a direct path.
const MaxDirectPayload = 16 << 10 // bytes of an offer, an answer, or some candidates

// DirectVerb is one step on the way to a direct path and back; see package
// sfu/direct.
type DirectVerb string

// What devices say. Offer, answer, candidate and back go on to the other one.
const (
	DirectReady     DirectVerb = "ready"     // willing to send directly; its media by the server stands
	DirectUnready   DirectVerb = "unready"   // willing no longer
	DirectOffer     DirectVerb = "offer"     // of the device that was told to offer
	DirectAnswer    DirectVerb = "answer"    // of the other
	DirectCandidate DirectVerb = "candidate" // some ICE candidates
	DirectProven    DirectVerb = "proven"    // it plays what has come directly
	DirectFailed    DirectVerb = "failed"    // the direct path does not stand, or no longer
	DirectBack      DirectVerb = "back"      // it sends by the server again
	DirectReturned  DirectVerb = "returned"  // it plays what has come by the server
)

// What devices are told beside what goes on to them.
const (
	DirectStart  DirectVerb = "start"  // build a direct path
	DirectMoved  DirectVerb = "direct" // both play the direct path: send no longer by the server
	DirectReturn DirectVerb = "return" // send by the server again, beside the direct path
	DirectOver   DirectVerb = "sfu"    // both play what the server sends: close the direct path
)

// Direct is what a device says about the direct path of a call of two.
type Direct struct {
	Call string     `json:"call"`
	Step DirectVerb `json:"step"`
	// Epoch counts the attempts of the call; 0 in ready and unready.
	Epoch uint32 `json:"epoch,omitempty"`
	// Payload is carried to the other device, untouched: an SDP, candidates.
	Payload []byte `json:"payload,omitempty"`
}

// Type answers the name on the wire.
func (*Direct) Type() string { return "direct" }

// Validate bounds the fields.
func (c *Direct) Validate() error {
	if err := (&CallQuery{Call: c.Call}).Validate(); err != nil {
		return err
	}
	if len(c.Payload) > MaxDirectPayload {
		return Errorf(TooLarge, "direct: the payload has %d bytes; at most %d are carried", len(c.Payload), MaxDirectPayload)
	}
	switch c.Step {
	case DirectReady, DirectUnready, DirectOffer, DirectAnswer, DirectCandidate, DirectProven, DirectFailed, DirectBack, DirectReturned:
		return nil
	}
	return Errorf(BadMessage, "direct: %.32q is no step of a device", string(c.Step))
}

// DirectStep tells a device the next step.
type DirectStep struct {
	Call  string     `json:"call"`
	Step  DirectVerb `json:"step"`
	Epoch uint32     `json:"epoch"`
	// From is the device whose step this was, where it was one's.
	From *Device `json:"from,omitempty"`
	// Offers says in start that this device makes the offer.
	Offers bool `json:"offers,omitempty"`
	// Relay says in start that only relayed candidates may be used, so that the
	// devices do not learn each other's addresses.
	Relay bool `json:"relay,omitempty"`
	// ICEServers are of start.
	ICEServers []ICEServer `json:"iceServers,omitempty"`
	// Reason is of return: failed, timeout, members or unready.
	Reason  Code   `json:"reason,omitempty"`
	Payload []byte `json:"payload,omitempty"`
}

// EventType answers the name on the wire.
func (*DirectStep) EventType() string { return "direct" }

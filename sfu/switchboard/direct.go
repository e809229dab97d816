package switchboard

import (
	"errors"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/direct"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// DirectPolicy says whether devices of a call of two may send to each other.
type DirectPolicy string

// The policies.
const (
	// DirectNever keeps all media on the server: nobody learns another's address.
	DirectNever DirectPolicy = "never"
	// DirectPrefer builds a direct path where both devices are willing. They
	// learn each other's addresses.
	DirectPrefer DirectPolicy = "prefer"
	// DirectRelay does so through relays only: they do not.
	DirectRelay DirectPolicy = "relay"
)

// DirectConfig is how direct paths are built.
type DirectConfig struct {
	Policy DirectPolicy // empty for never
	// Path bounds attempts; zero for direct.DefaultConfig.
	Path direct.Config
	// ICEServers answers what a device may use to be reached, by the call and the
	// device; nil for none. host is the name
	// by which the device reached this server. It is called on the board's goroutine and must not
	// block.
	ICEServers func(now time.Time, tenant, call string, device signal.Device, host string) []signal.ICEServer
}

func (c *DirectConfig) validate() error {
	switch c.Policy {
	case "", DirectNever, DirectPrefer, DirectRelay:
		return nil
	}
	return errors.New("switchboard: the policy for direct paths is never, prefer or relay")
}

// doDirect carries out what a device says about the direct path of its call.
func (b *Board) doDirect(s *session, id string, c *signal.Direct) (signal.Reply, error) {
	if b.cfg.Direct.Policy == "" || b.cfg.Direct.Policy == DirectNever {
		return nil, signal.Errorf(signal.DirectOff, "this server lets no media go from device to device: go on by the server")
	}
	var err error
	ok := b.call(func(now time.Time) {
		if kept := remembered(s.replies, id); kept != nil {
			err = kept.err
			return
		}
		err = s.tenant.directStep(now, s, c)
		if c.Step != signal.DirectCandidate { // a second time they do no harm
			s.replies = remember(s.replies, maxReplies, keptReply{id, &signal.Done{}, err})
		}
	})
	if !ok {
		return nil, draining()
	}
	if err != nil {
		return nil, err
	}
	return &signal.Done{}, nil
}

// directStep hands one step to the call's path.
func (t *tenant) directStep(now time.Time, s *session, c *signal.Direct) error {
	members := t.membersOf(c.Call)
	if members == nil {
		// A stranger learns nothing of it either.
		return signal.Errorf(signal.NotInvited, "this device is in no such call, or has not answered it")
	}
	p := t.paths[c.Call]
	if p == nil {
		p = direct.New(t.board.pathConfig())
		p.Members(now, members)
		t.paths[c.Call] = p
	}
	steps, err := p.Do(now, call.Device{User: s.device.User, ID: s.device.Device}, direct.Verb(c.Step), c.Epoch)
	t.tellSteps(now, c.Call, steps, c.Payload)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, direct.ErrMember):
		return signal.Errorf(signal.NotInvited, "this device is in no such call, or has not answered it")
	case errors.Is(err, direct.ErrTooMany):
		return signal.Errorf(signal.RateLimited, "more messages than one attempt at a direct path may have")
	}
	return signal.Errorf(signal.WrongState, "the direct path has moved on: this is of another epoch, or does not fit its state")
}

func (b *Board) pathConfig() direct.Config {
	if b.cfg.Direct.Path == (direct.Config{}) {
		return direct.DefaultConfig()
	}
	return b.cfg.Direct.Path
}

// membersOf lists the devices whose media flows in a call, the creator's first;
// nil where there is no such call.
func (t *tenant) membersOf(id string) []call.Device {
	c, known := t.calls.Call(id)
	if !known || c.State != call.StateActive {
		return nil
	}
	members := []call.Device{}
	for _, u := range c.Users {
		if u.State == call.UserJoined {
			members = append(members, call.Device{User: u.User, ID: u.Device})
		}
	}
	return members
}

// repath tells the path of a call who is in it now.
func (t *tenant) repath(now time.Time, id string) {
	p := t.paths[id]
	if p == nil {
		return
	}
	members := t.membersOf(id)
	if members == nil {
		delete(t.paths, id) // the call is over, and everybody is told so
		return
	}
	t.tellSteps(now, id, p.Members(now, members), nil)
}

// tickPaths does what is due on the paths.
func (t *tenant) tickPaths(now time.Time) {
	for id, p := range t.paths {
		if due := p.Next(); !due.IsZero() && !due.After(now) {
			t.tellSteps(now, id, p.Tick(now), nil)
		}
	}
}

// tellSteps tells devices what to do. payload is of the step that a device has
// sent, and goes on with it.
func (t *tenant) tellSteps(now time.Time, id string, steps []direct.Step, payload []byte) {
	for _, step := range steps {
		to := deviceOf(step.To)
		s := t.devices[to]
		if s == nil {
			continue
		}
		e := &signal.DirectStep{
			Call: id, Step: signal.DirectVerb(step.Verb), Epoch: step.Epoch, Offers: step.Offers, Reason: signal.Code(step.Reason),
		}
		if step.From != (call.Device{}) {
			from := deviceOf(step.From)
			e.From, e.Payload = &from, payload
		}
		if step.Verb == direct.Start {
			e.Relay = t.board.cfg.Direct.Policy == DirectRelay
			if servers := t.board.cfg.Direct.ICEServers; servers != nil {
				e.ICEServers = servers(now, t.name, id, to, s.host)
			}
		}
		s.send(e)
	}
}

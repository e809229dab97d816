package client

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// directLook is how often it is asked whether media has come on the path that is
	// wanted.
	directLook = 20 * time.Millisecond
	// directSilence is how long sound may be missing from the direct path; comfort
	// noise comes every 400 ms.
	directSilence = 1500 * time.Millisecond
	// directPatience is how long media by the server is waited for on the way back,
	// where the other may say nothing.
	directPatience = 1500 * time.Millisecond
	// directGather is how long candidates are collected for one message.
	directGather = 100 * time.Millisecond
	// directHeard is how many packets of sound prove a path.
	directHeard = 3
	// directQueue bounds what waits for the path's goroutine: more than one attempt
	// may have (direct.Config.Candidates).
	directQueue = 128
)

// directPath is the device's part of a direct path in a call of two (package
// sfu/direct decides): a second connection beside the one to the server, built and
// left when the server says so.
//
//	Sender.Write ─► media (by the server) ─► paused while both play the direct path
//	            └─► twin: a call of its own with the other device, without signalling
//
// Both paths carry media until both sides play the new one, so that nothing is heard
// of a change. What is played is decided here, packet by packet: of the other user,
// what comes by the path that plays; of everybody else, all.
//
// One goroutine, run, owns what has no lock or atomic.
type directPath struct {
	call   *Call
	steps  chan *signal.DirectStep
	wishes chan bool                    // ready is wished for; true for anew
	found  chan webrtc.ICECandidateInit // of twin
	failed chan uint32                  // the epoch of which the server knows nothing
	unsaid atomic.Bool                  // ready was refused

	playing atomic.Bool            // the direct path is what is handed on
	paused  atomic.Bool            // nothing is sent by the server
	peer    atomic.Pointer[string] // the other user
	server  atomic.Uint64          // packets of the other user by the server
	direct  atomic.Uint64          // and directly
	last    atomic.Int64           // when one came directly, in nanoseconds since 1970
	moves   atomic.Uint64          // changes of what plays

	epoch      uint32
	willing    bool
	peerIsBack bool
	twin       *twin
	early      []webrtc.ICECandidateInit // before the other side is described
	gathered   []webrtc.ICECandidateInit
	sendAt     time.Time // of gathered
	look       func(now time.Time) (done bool)
}

func newDirectPath(c *Call) *directPath {
	return &directPath{
		call: c, steps: make(chan *signal.DirectStep, directQueue), wishes: make(chan bool, 1),
		found: make(chan webrtc.ICECandidateInit, directQueue), failed: make(chan uint32, 1),
	}
}

// Direct says whether media of the other device comes directly, and how often that
// has changed.
func (c *Call) Direct() (playing bool, moves uint64) {
	if c.direct == nil {
		return false, 0
	}
	return c.direct.playing.Load(), c.direct.moves.Load()
}

// wish has ready said; anew where the server has forgotten it.
func (d *directPath) wish(anew bool) {
	select {
	case d.wishes <- anew:
	default: // one waits already
	}
}

// told takes an event of the call plane, on the reader.
func (d *directPath) told(e signal.EventBody) {
	switch e := e.(type) {
	case *signal.DirectStep:
		if e.Call != d.call.opts.Room {
			return
		}
		select {
		case d.steps <- e:
		default: // beyond all bounds of an attempt, which then fails
		}
	case *signal.CallEvent:
		if e.Call != d.call.opts.Room {
			return
		}
		switch e.Kind {
		case signal.CallAccepted:
			d.wish(false)
		case signal.CallResumed, signal.CallTaken:
			d.wish(true)
		}
	}
}

// run follows the server's steps until the call ends.
func (d *directPath) run() {
	defer d.close()
	select {
	case <-d.call.connected:
	case <-d.call.done:
		return
	}
	d.ready()
	ticker := time.NewTicker(directLook)
	defer ticker.Stop()
	for {
		select {
		case e := <-d.steps:
			if err := d.step(e); err != nil {
				d.call.log.Debug("direct path", "step", string(e.Step), "error", err)
				d.fail()
			}
		case anew := <-d.wishes:
			d.willing = d.willing && !anew
			d.ready()
		case c := <-d.found:
			if d.gathered = append(d.gathered, c); len(d.gathered) == 1 {
				d.sendAt = time.Now().Add(directGather)
			}
		case epoch := <-d.failed:
			if epoch == d.epoch {
				d.close() // a server that knows of no such path brings nobody back
			}
		case now := <-ticker.C:
			d.tick(now)
		case <-d.call.done:
			return
		}
	}
}

func (d *directPath) tick(now time.Time) {
	if len(d.gathered) > 0 && !now.Before(d.sendAt) {
		d.tell(signal.DirectCandidate, d.gathered)
		d.gathered = nil
	}
	if d.look != nil && d.look(now) {
		d.look = nil
	}
}

// ready says once that this device is willing. Before the answer that is refused,
// and said again.
func (d *directPath) ready() {
	if d.willing && !d.unsaid.Swap(false) {
		return
	}
	d.willing = true
	d.ask(signal.DirectReady, 0, nil, func(error) { d.unsaid.Store(true) })
}

// step takes one of the server's.
func (d *directPath) step(e *signal.DirectStep) error {
	if e.Step == signal.DirectStart {
		return d.begin(e)
	}
	if d.twin == nil || e.Epoch != d.epoch {
		return nil
	}
	if e.From != nil {
		d.peer.Store(&e.From.User)
	}
	switch e.Step {
	case signal.DirectOffer, signal.DirectAnswer:
		return d.described(e)
	case signal.DirectCandidate:
		return d.candidates(e.Payload)
	case signal.DirectMoved:
		d.paused.Store(true)
	case signal.DirectBack:
		d.peerIsBack = true
	case signal.DirectReturn:
		d.back()
	case signal.DirectOver:
		d.close()
	}
	return nil
}

// begin builds a connection.
func (d *directPath) begin(e *signal.DirectStep) error {
	d.close()
	d.epoch = e.Epoch
	var err error
	if d.twin, err = newTwin(d, e); err != nil || !e.Offers {
		return err
	}
	text, err := d.twin.offer()
	if err != nil {
		return err
	}
	d.tell(signal.DirectOffer, text)
	return nil
}

// described takes the other side's description, answers an offer, and waits until
// media comes.
func (d *directPath) described(e *signal.DirectStep) error {
	var text string
	if err := unpack(e.Payload, &text); err != nil {
		return err
	}
	answer, err := d.twin.describe(text, e.Step == signal.DirectOffer)
	if err != nil {
		return err
	}
	if answer != "" {
		d.tell(signal.DirectAnswer, answer)
	}
	for _, c := range d.early {
		if err := d.twin.connection.AddICECandidate(c); err != nil {
			return err
		}
	}
	d.early = nil
	d.look = func(now time.Time) bool {
		if !d.twin.up.Load() || d.expectsSound() && d.direct.Load() < directHeard {
			return false
		}
		d.switchTo(true)
		d.ask(signal.DirectProven, d.epoch, nil, nil)
		d.watch(now)
		return false // watch looks on
	}
	return nil
}

// candidates takes the other side's.
func (d *directPath) candidates(payload []byte) error {
	var all []webrtc.ICECandidateInit
	if err := unpack(payload, &all); err != nil {
		return err
	}
	for _, c := range all {
		if d.twin.connection.RemoteDescription() == nil {
			if d.early = append(d.early, c); len(d.early) > directQueue {
				return errors.New("client: too many candidates of the other device")
			}
			continue
		}
		if err := d.twin.connection.AddICECandidate(c); err != nil {
			return err
		}
	}
	return nil
}

// watch notices, while the path plays, that nothing comes any longer.
func (d *directPath) watch(now time.Time) {
	d.last.Store(now.UnixNano())
	d.look = func(now time.Time) bool {
		if !d.expectsSound() {
			d.last.Store(now.UnixNano())
		}
		if d.twin.up.Load() && now.UnixNano()-d.last.Load() < int64(directSilence) {
			return false
		}
		d.fail()
		return false // fail has ended the look
	}
}

// back sends by the server again, and plays that when both do and it is heard.
func (d *directPath) back() {
	d.resume()
	before := d.server.Load()
	d.ask(signal.DirectBack, d.epoch, nil, nil)
	var until time.Time
	d.look = func(now time.Time) bool {
		if !d.peerIsBack {
			return false
		}
		if until.IsZero() {
			until = now.Add(directPatience)
		}
		if d.expectsSound() && d.server.Load() < before+directHeard && now.Before(until) {
			return false
		}
		d.switchTo(false)
		d.ask(signal.DirectReturned, d.epoch, nil, nil)
		return true
	}
}

// fail gives the direct path up: the server brings both back.
func (d *directPath) fail() {
	d.look = nil
	d.resume() // at once, not a round trip later
	if d.twin == nil {
		return
	}
	epoch := d.epoch
	d.ask(signal.DirectFailed, epoch, nil, func(error) {
		select {
		case d.failed <- epoch:
		default:
		}
	})
}

// resume sends by the server again.
func (d *directPath) resume() { d.paused.Store(false) }

// close ends the connection; what is played is the server's.
func (d *directPath) close() {
	d.look, d.early, d.gathered, d.peerIsBack = nil, nil, nil, false
	d.switchTo(false)
	d.resume()
	if d.twin != nil {
		d.twin.close()
		d.twin = nil
	}
	for {
		select {
		case <-d.found:
		default:
			return
		}
	}
}

// switchTo plays the direct path, or the server's again: pictures begin with a key
// frame, for those before were not handed on.
func (d *directPath) switchTo(direct bool) {
	if d.playing.Swap(direct) == direct {
		return
	}
	d.moves.Add(1)
	from := d.call.media
	if direct {
		from = d.twin.media
	}
	from.ingress.wantKeyframes(time.Now())
}

// tell says a step with a payload.
func (d *directPath) tell(step signal.DirectVerb, v any) {
	payload, err := pack(v)
	if err != nil {
		d.call.log.Debug("direct path", "error", err) // of our own: it cannot be
		return
	}
	d.ask(step, d.epoch, payload, nil)
}

// ask says a step. Steps leave in their order; a refusal means that the server has
// moved on, or is told to refused, on another goroutine.
func (d *directPath) ask(step signal.DirectVerb, epoch uint32, payload []byte, refused func(error)) {
	wait, err := d.call.signals.begin(&signal.Direct{Call: d.call.opts.Room, Step: step, Epoch: epoch, Payload: payload})
	if err != nil {
		d.call.log.Debug("direct path", "step", string(step), "error", err)
		return
	}
	d.call.running.Go(func() {
		ctx, cancel := context.WithTimeout(d.call.signals.ctx, commandTimeout)
		defer cancel()
		var no *signal.Error
		if _, err := wait(ctx); errors.As(err, &no) && refused != nil {
			refused(no)
		}
	})
}

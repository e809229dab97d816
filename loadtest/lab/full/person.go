package full

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// readyBefore is how long before the button is pressed the signalling
// connection of a ready person is opened.
const readyBefore = 10 * time.Second

// person is one participant: a host behind links, a client, a microphone, a
// camera, an ear and a screen.
type person struct {
	world *callWorld
	spec  lab.Person
	index int
	host  *memnet.Host
	addrs []netip.Addr // one for each network that has its own
	web   *http.Transport
	ways  *ways
	links []*network

	ear    *ear
	screen *screen

	mu      sync.Mutex // a leaf: guards what follows
	address netip.Addr // in use
	call    *client.Call
	rec     lab.PersonRecording
}

// network is one of a person's, with its packets.
type network struct {
	from     time.Duration
	down, up *way
}

// newPerson puts a host behind its first network.
func newPerson(w *callWorld, index int, spec lab.Person) (*person, error) {
	p := &person{world: w, spec: spec, index: index, ways: newWays()}
	p.ear, p.screen = newEar(w), newScreen(w)
	for i := range spec.Networks {
		if change := spec.Networks[i].Change; i == 0 || change == lab.Restarted || change == lab.Roamed {
			p.addrs = append(p.addrs, address(1+i, index))
		}
	}
	p.host = w.network.Host(p.addrs...)
	p.address = p.addrs[0]
	p.web = &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		d := p.host.CreateDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: p.current().AsSlice()}})
		return d.Dial(network, to)
	}}
	seen := p.address
	if slices.ContainsFunc(spec.Networks[1:], func(n lab.Network) bool { return n.Change == lab.Rebound }) {
		seen = address(100, index)
		p.host.Behind(seen)
	}
	return p, p.enter(spec.Networks[0], seen)
}

// current is the address in use.
func (p *person) current() netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// enter puts a network between the host and the server; the server sees seen.
func (p *person) enter(n lab.Network, seen netip.Addr) error {
	w, now := p.world, time.Now()
	down, up := newCrossing([]link.Config{n.Down}), newCrossing([]link.Config{n.Up})
	if err := errors.Join(down.start(now), up.start(now)); err != nil {
		return err
	}
	own := &network{from: w.since(now), down: wayOver(down, 0), up: wayOver(up, 0)}
	p.links = append(p.links, own)
	host := p.current()
	w.mu.Lock()
	w.up[host], w.down[host], w.down[seen] = up, down, down
	w.mu.Unlock()
	p.ways.set(serverAddress, own.up)
	w.server.ways.set(host, own.down)
	w.server.ways.set(seen, own.down)
	w.network.Route(host, serverAddress, own.up)
	w.network.Route(serverAddress, host, own.down)
	return nil
}

// live is the person's part of the call.
func (p *person) live(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.world.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := p.join(ctx); err != nil {
		p.fail(err)
		return
	}
	c := p.joined()
	var busy sync.WaitGroup
	busy.Go(func() { p.follow(ctx, c) })
	if p.spec.Voice != nil { // what is said until there is a path is kept by nobody for long
		busy.Go(func() { p.talk(c.Sender(signal.Microphone)) })
	}
	select {
	case <-c.Connected():
		p.mu.Lock()
		p.rec.Connected = p.world.since(time.Now())
		p.mu.Unlock()
		if p.spec.Camera > 0 {
			busy.Go(func() { p.film(c.Sender(signal.Camera)) })
		}
	case <-c.Done():
	case <-p.world.quit:
	}
	busy.Go(func() { p.move(ctx, c) })
	select {
	case <-c.Done():
		p.fail(c.Err())
	case <-p.world.quit:
	}
	p.fail(c.Close())
	busy.Wait()
}

// join presses the button.
func (p *person) join(ctx context.Context) error {
	o := client.Options{
		URL: "ws://" + serverAddress.String() + "/v1/ws", Room: roomName, Identity: p.spec.Name,
		HTTPClient: &http.Client{Transport: p.web}, Net: speaking{p.host, p.ways},
		VideoSlots: p.spec.Slots, OnPlay: p.ear.play, OnPacket: p.screen.receive,
		PlainVoice: p.world.plan.Call.PlainVoice, Repair: p.world.repair,
		IgnoreEncode: p.world.plan.Call.Untold, LocalAddress: func(a netip.Addr) bool { return a == p.current() },
		Roam: slices.ContainsFunc(p.spec.Networks[1:], func(n lab.Network) bool { return n.Change == lab.Roamed }),
	}
	if p.spec.Slots == 0 {
		o.VideoSlots = -1
	}
	if p.spec.Voice != nil {
		o.Publish = append(o.Publish, client.Publication{Source: signal.Microphone})
	}
	if p.spec.Camera > 0 {
		o.Publish = append(o.Publish, camera16to9(p.spec.Camera))
	}
	at := p.spec.Join
	if p.spec.Ready {
		if !p.world.wait(max(0, at-readyBefore)) {
			return ctx.Err()
		}
		line, err := client.Dial(ctx, o)
		if err != nil {
			return err
		}
		o.Line = line
	}
	if !p.world.wait(at) {
		return ctx.Err()
	}
	p.mu.Lock()
	p.rec.Ready = p.world.since(time.Now())
	p.mu.Unlock()
	c, err := client.Join(ctx, o)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.call = c
	p.rec.Joined = p.world.since(time.Now())
	return nil
}

// fail notes why the call ended, unless it was over anyway.
func (p *person) fail(err error) {
	select {
	case <-p.world.quit:
		return
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rec.Failed == "" && err != nil {
		p.rec.Failed = err.Error()
	}
}

// move goes to the other networks when their time has come.
func (p *person) move(ctx context.Context, c *client.Call) {
	for _, n := range p.spec.Networks[1:] {
		if !p.world.wait(n.From) {
			return
		}
		if err := p.moveTo(ctx, c, n); err != nil {
			p.fail(fmt.Errorf("move to another network: %w", err))
		}
	}
}

// moveTo leaves one network for another. What is under way on the old one still
// arrives.
func (p *person) moveTo(ctx context.Context, c *client.Call, n lab.Network) error {
	if n.Change == lab.Rebound {
		if err := p.enter(n, address(100, p.index)); err != nil {
			return err
		}
		p.host.Rebind() // a new port, and streams are gone
		return nil
	}
	p.mu.Lock()
	old := p.address
	p.address = p.addrs[slices.Index(p.addrs, old)+1]
	p.mu.Unlock()
	if err := p.enter(n, p.current()); err != nil {
		return err
	}
	p.world.giveUp(old)
	p.host.Prefer(p.current())
	p.host.Rebind()
	c.DropSignalling() // the system says that its address is gone
	if n.Change == lab.Roamed {
		return nil
	}
	return c.Restart(ctx)
}

// camera16to9 is a camera with the layers that libwebrtc gives its size.
func camera16to9(width int) client.Publication {
	p := client.Publication{Source: signal.Camera, Width: width, Height: width * 9 / 16}
	for _, l := range simulcast {
		if l.Width <= width {
			p.Layers = append(p.Layers, l)
		}
	}
	return p
}

// follow reads the events, and asks to see everybody who has a camera.
func (p *person) follow(ctx context.Context, c *client.Call) {
	if p.spec.Slots > 0 {
		p.look(ctx, c)
	}
	for e := range c.Events() {
		switch e := e.(type) {
		case *signal.SlotStates:
			p.mu.Lock()
			for _, s := range e.States {
				p.rec.Told = append(p.rec.Told, lab.ToldRecord{At: p.world.since(time.Now()), Slot: s.Slot, Paused: s.Paused, Reason: s.Reason})
			}
			p.mu.Unlock()
		case *signal.ParticipantJoined, *signal.TrackPublished, *signal.TrackUnpublished, *signal.ParticipantLeft:
			if p.spec.Slots > 0 {
				p.look(ctx, c)
			}
		case *signal.Closed:
			p.fail(fmt.Errorf("the server ended the call: %s", e.Code))
		}
	}
}

// look asks for all cameras: one on the whole screen, more side by side.
func (p *person) look(ctx context.Context, c *client.Call) {
	var views []signal.TrackView
	for _, other := range c.Participants() {
		for _, t := range other.Tracks {
			if t.Source == signal.Camera && len(views) < p.spec.Slots {
				views = append(views, signal.TrackView{Track: t.ID, Width: 1280, Height: 720})
			}
		}
	}
	if len(views) > 1 {
		for i := range views {
			views[i].Width, views[i].Height = 640, 360
		}
	}
	if len(views) > 0 {
		_ = c.View(ctx, views) // what fails is seen as no picture
	}
}

// note writes down what was decided for the person.
func (p *person) note(at time.Duration, rooms []sfu.RoomSnapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.call == nil {
		return
	}
	state, _ := stateOf(rooms, p.call.Joined().Participant, p.capacity(at))
	state.At = at
	for _, source := range []signal.Source{signal.Microphone, signal.Camera} {
		if s := p.call.Sender(source); s != nil {
			state.Up += s.Target()
		}
	}
	p.rec.States = append(p.rec.States, state)
}

// capacity is that of the link down at a time; 0 without a limit.
func (p *person) capacity(at time.Duration) units.Rate {
	var now lab.Network
	for _, n := range p.spec.Networks {
		if n.From <= at {
			now = n
		}
	}
	if !now.Down.Capacity.Limited() {
		return 0
	}
	rate, _ := now.Down.Capacity.At(at - now.From)
	return rate
}

// stopLinks ends what is measured.
func (p *person) stopLinks(now time.Time) {
	if c := p.joined(); c != nil {
		s := c.Stats() // plays up to now
		p.mu.Lock()
		p.rec.Hole, p.rec.LongestGap = s.Playout.Hole(), s.Playout.LongestGap.Seconds()
		p.mu.Unlock()
	}
	p.ear.stop()
	p.screen.stop()
	for _, n := range p.links {
		n.down.stop(now)
		n.up.stop(now)
	}
}

func (p *person) joined() *client.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call
}

// close leaves and gives everything back.
func (p *person) close() error {
	var err error
	if c := p.joined(); c != nil {
		err = c.Close()
		if n := c.Stats().Buffers; err == nil && n != 0 {
			err = fmt.Errorf("full: %d packet buffers outlived the call of %s", n, p.spec.Name)
		}
	}
	p.web.CloseIdleConnections()
	return err
}

// record answers what was noted. Nothing runs any more.
func (p *person) record() lab.PersonRecording {
	r := p.rec
	r.Heard, r.Seen = p.ear.heard, p.screen.seen
	for _, n := range p.links {
		r.Down = append(r.Down, packetsFrom(n.from, n.down.packets)...)
		r.Up = append(r.Up, packetsFrom(n.from, n.up.packets)...)
	}
	return r
}

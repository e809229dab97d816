package emulate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// tunnel is a link between two namespaces while it exists.
type tunnel struct {
	carrier   *carrier
	near, far *namespace
	program   *device // near end
	server    *device // far end
	links     pair
	address6  netip.Addr // of the near end; invalid where there is no IPv6
	changes   int
}

// RunTUN makes two namespaces and the link, runs the program within and answers
// what was measured, with the program's exit status. It ends with the program,
// or when ctx ends; whatever it made, it has deleted then. It needs the rights
// that [CheckTUN] checks. Interfaces that exist are not touched.
func RunTUN(ctx context.Context, config TUNConfig) (Report, error) {
	if err := config.Validate(); err != nil {
		return Report{}, err
	}
	t, err := openTunnel(config)
	if err != nil {
		return Report{}, fmt.Errorf("emulate tun: %w", err)
	}
	defer t.close()
	forwarder, err := t.forward(config.Forwards)
	if err != nil {
		return Report{}, fmt.Errorf("emulate tun: %w", err)
	}
	defer forwarder.close()
	return t.run(ctx, config)
}

func openTunnel(config TUNConfig) (_ *tunnel, err error) {
	t := &tunnel{}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.near, err = newNamespace(); err != nil {
		return nil, err
	}
	if t.far, err = newNamespace(); err != nil {
		return nil, err
	}
	for _, end := range []struct {
		space *namespace
		to    **device
	}{{t.near, &t.program}, {t.far, &t.server}} {
		if err = end.space.do(func() (err error) {
			*end.to, err = openDevice(config.MTU)
			return err
		}); err != nil {
			return nil, err
		}
	}
	if err = t.server.assign(FarAddress); err != nil {
		return nil, err
	}
	near4, near6 := nearAddresses(0)
	if err = t.program.assign(near4); err != nil {
		return nil, err
	}
	if t.server.assign6(FarAddress6, netip.Addr{}) == nil && t.program.assign6(near6, netip.Addr{}) == nil {
		t.address6 = near6
	}
	if t.carrier, err = newCarrier(config.Links); err != nil {
		return nil, err
	}
	t.carrier.house = t
	t.carrier.start = time.Now()
	if t.links, err = config.Links.open(t.carrier.start, 0); err != nil {
		return nil, err
	}
	t.program.direction, t.program.way, t.program.other = Up, t.links[Up], t.server
	t.server.direction, t.server.way, t.server.other = Down, t.links[Down], t.program
	t.carrier.ways = []*way{t.links[Down]}
	if t.links[Up] != t.links[Down] {
		t.carrier.ways = append(t.carrier.ways, t.links[Up])
	}
	for _, d := range []*device{t.program, t.server} {
		if err = t.carrier.listen(d.fd, d); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// run starts the carrier and the programs and waits for their end.
func (t *tunnel) run(ctx context.Context, config TUNConfig) (Report, error) {
	carrying, stopCarrying := context.WithCancel(context.Background())
	defer stopCarrying()
	programs, stopPrograms := context.WithCancel(ctx)
	defer stopPrograms()
	if config.Duration > 0 {
		var stop context.CancelFunc
		programs, stop = context.WithTimeout(programs, config.Duration)
		defer stop()
	}
	carried := make(chan error, 1)
	var others sync.WaitGroup
	others.Go(func() {
		err := t.carrier.run(carrying, 0, config.Progress)
		if err != nil {
			// A link that carries nothing more: do not leave the program on it.
			stopPrograms()
		}
		carried <- err
	})
	if config.Rebind != nil {
		others.Go(func() {
			for {
				select {
				case <-config.Rebind:
					t.carrier.changeAddress()
				case <-carrying.Done():
					return
				}
			}
		})
	}
	status, err := t.programs(programs, config)
	stopCarrying()
	others.Wait()
	err = errors.Join(err, <-carried)
	for d, n := range [directions]*namespace{t.near, t.far} {
		_ = n.do(func() error { t.carrier.meters[d].missed = overrun(); return nil })
	}
	r := t.carrier.summary("tun")
	r.ProgramStatus = status
	return r, err
}

// programs runs the programs of both sides until the near one ends, and answers
// its exit status.
func (t *tunnel) programs(ctx context.Context, config TUNConfig) (status int, err error) {
	if len(config.Far) > 0 {
		far := exec.CommandContext(ctx, config.Far[0], config.Far[1:]...)
		if config.Stderr != nil {
			far.Stdout, far.Stderr = config.Stderr, config.Stderr
		}
		if err := t.far.start(far); err != nil {
			return StatusNotStarted, fmt.Errorf("emulate tun: far side: %w", err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = far.Wait()
		}()
		defer func() { finish(far, ended) }()
	}
	near := exec.CommandContext(ctx, config.Program[0], config.Program[1:]...)
	// A nil *os.File must not become an interface that is not nil.
	if config.Stdin != nil {
		near.Stdin = config.Stdin
	}
	if config.Stdout != nil {
		near.Stdout = config.Stdout
	}
	if config.Stderr != nil {
		near.Stderr = config.Stderr
	}
	if err := t.near.start(near); err != nil {
		return StatusNotStarted, fmt.Errorf("emulate tun: program: %w", err)
	}
	// A status other than 0 is the program's affair; it is answered.
	_ = near.Wait()
	return exitStatus(near.ProcessState), nil
}

// start runs a program within a namespace. It is asked to end when its context
// ends, made to after a while, and cannot outlive this process.
func (n *namespace) start(cmd *exec.Cmd) error {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return n.do(cmd.Start)
}

// finish asks a program to end and waits until it has.
func finish(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// keep changes the program's address where that is due.
func (t *tunnel) keep(_ *carrier, _ time.Time, change bool) {
	if !change {
		return
	}
	t.changes++
	v4, v6 := nearAddresses(t.changes)
	// These cannot fail where the first assignment did not; if they did the
	// program would find itself without an address, which it would see.
	_ = t.program.assign(v4)
	if t.address6.IsValid() && t.program.assign6(v6, t.address6) == nil {
		t.address6 = v6
	}
}

func (t *tunnel) clients() int { return 1 }

func (t *tunnel) queues(now time.Time) (up, down time.Duration) { return t.links.waits(now) }

// close deletes everything: processes left behind, devices, namespaces.
func (t *tunnel) close() {
	var spaces []*namespace
	for _, n := range []*namespace{t.near, t.far} {
		if n != nil {
			spaces = append(spaces, n)
		}
	}
	evacuate(spaces...)
	for _, d := range []*device{t.program, t.server} {
		if d != nil {
			d.close()
		}
	}
	if t.carrier != nil {
		t.carrier.poller.close()
	}
	for _, n := range spaces {
		n.close()
	}
}

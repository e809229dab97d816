package emulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// tunnels skips, aloud and with the reason, where there can be none.
func tunnels(t *testing.T) {
	t.Helper()
	testenv.Sockets(t)
	userNamespace, err := CheckTUN()
	if err != nil {
		t.Skipf("no TUN link on this machine: %v", err)
	}
	if userNamespace {
		t.Skip("this user may have a TUN link only in a user namespace: TestUserNamespace tests that")
	}
}

// play runs this test binary's roles at the ends of a link and answers the
// report and what the near one printed.
func play(t *testing.T, near, far string, change func(*TUNConfig)) (Report, string) {
	t.Helper()
	tunnels(t)
	before := surroundings(t)
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	config := DefaultTUNConfig()
	config.Stdin, config.Stdout = nil, output
	config.Duration = 10 * time.Second
	config.Program = role(near)
	if far != "" {
		config.Far = role(far)
	}
	change(&config)
	r, err := RunTUN(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if after := surroundings(t); after != before {
		t.Errorf("something was left behind:\n%s\nbefore:\n%s", after, before)
	}
	text, err := os.ReadFile(output.Name())
	if err != nil {
		t.Fatal(err)
	}
	return r, string(text)
}

func role(name string) []string {
	return []string{"env", roleVariable + "=" + name, os.Args[0]}
}

// surroundings are this namespace's interfaces, routes, and the TUN
// devices that this process has open.
func surroundings(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		fmt.Fprintf(&all, "%d %s %v %d\n", i.Index, i.Name, i.Flags, i.MTU)
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	all.Write(routes)
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		to, err := os.Readlink("/proc/self/fd/" + d.Name())
		if err == nil && strings.HasSuffix(to, "/tun") {
			fmt.Fprintln(&all, d.Name(), to)
		}
	}
	return all.String()
}

// TestTUNDownload: a real TCP connection comes through whole and fills the link
// to within 1 % of its rate.
func TestTUNDownload(t *testing.T) {
	const rate = 8 * units.Mbps
	testenv.Sockets(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := content(2_500_000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(data)
			_ = c.Close()
		}
	}()
	validate(t, func() (r Report, f []string) {
		r, hash := play(t, "download", "", func(c *TUNConfig) {
			c.Links.Down = link.Config{
				Capacity: link.Constant(rate), Queue: link.Queue{Delay: 100 * time.Millisecond}, Delay: 10 * time.Millisecond,
			}
			c.Links.Up = link.Config{Delay: 10 * time.Millisecond}
			c.Forwards = []Forward{{"tcp", farPort, l.Addr().(*net.TCPAddr).AddrPort()}}
		})
		found := (*faults)(&f)
		want := fmt.Sprintf("%x", sha256.Sum256(data))
		found.check(hash == want && r.ProgramStatus == 0, "status %d, hash %s, want %s", r.ProgramStatus, hash, want)
		found.check(math.Abs(r.Down.BusiestKbps/8000-1) < 0.01, "%g kbit/s of 8000", r.Down.BusiestKbps)
		found.check(r.Down.QueueP95 > 20 && r.Down.QueueP95 < 106 && r.Up.Delivered > 0, "queue p95 %g ms of 100, %d packets up", r.Down.QueueP95, r.Up.Delivered)
		return r, f
	})
}

// TestTUNUpload: the other direction, with loss that TCP repairs and marks that
// it understands.
func TestTUNUpload(t *testing.T) {
	testenv.Sockets(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		data, _ := io.ReadAll(c)
		received <- data
	}()
	const n = 300_000
	r, _ := play(t, fmt.Sprint("upload ", n), "", func(c *TUNConfig) {
		c.Links.Up = link.Config{
			Capacity: link.Constant(10 * units.Mbps), Queue: link.Queue{Delay: 50 * time.Millisecond},
			Delay: 2 * time.Millisecond, Loss: link.Loss{Random: 0.01}, Seed: 3,
		}
		c.Forwards = []Forward{{"tcp", farPort, l.Addr().(*net.TCPAddr).AddrPort()}}
	})
	if r.ProgramStatus != 0 {
		t.Fatalf("status %d", r.ProgramStatus)
	}
	if !bytes.Equal(<-received, content(n)) {
		t.Error("what arrived is not what was sent")
	}
}

// TestTUNDelay: the median delay each way is within 1 ms of the plan's.
func TestTUNDelay(t *testing.T) {
	validate(t, func() (r Report, f []string) {
		r, text := play(t, "pingpong", "echo", func(c *TUNConfig) {
			c.Links = Links{Up: link.Config{Delay: 20 * time.Millisecond}, Down: link.Config{Delay: 10 * time.Millisecond}}
		})
		var all []stamps
		if err := json.Unmarshal([]byte(text), &all); err != nil || r.ProgramStatus != 0 {
			t.Fatalf("status %d, %v: %q", r.ProgramStatus, err, text)
		}
		found := (*faults)(&f)
		for d, delay := range [directions]time.Duration{20 * time.Millisecond, 10 * time.Millisecond} {
			var times []time.Duration
			for _, s := range all {
				times = append(times, time.Duration(s[2*d+1]-s[2*d]))
			}
			slices.Sort(times)
			median := times[len(times)/2]
			found.check(times[0] >= delay, "%v: a packet took %v", Direction(d), times[0])
			found.check(median < delay+time.Millisecond, "%v: the median is %v of %v", Direction(d), median, delay)
		}
		return r, f
	})
}

// TestTUNMoves: the plan changes the program's address, which it sees, and
// nothing of this machine's own is in its sight.
func TestTUNMoves(t *testing.T) {
	r, text := play(t, "addresses 2", "", func(c *TUNConfig) {
		c.Links.Up.Moves = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond}
	})
	if r.Rebinds != 2 || r.ProgramStatus != 0 {
		t.Errorf("%d changes, status %d", r.Rebinds, r.ProgramStatus)
	}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, " ")
		if name != "lo" && name != deviceName {
			t.Errorf("the program sees %q", line)
		}
	}
	if strings.Count(text, deviceName+" 10.") != 1 || !strings.Contains(text, deviceName+" 10.99.0.4/24") {
		t.Errorf("after two changes:\n%s", text)
	}
}

// TestTUNLeavesNothing: the program's status is answered, and what it left
// running is ended.
func TestTUNLeavesNothing(t *testing.T) {
	r, text := play(t, "linger", "echo", func(*TUNConfig) {})
	if r.ProgramStatus != 7 {
		t.Errorf("status %d, want 7", r.ProgramStatus)
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(pid, 0) == nil && !zombie(text) {
		t.Errorf("process %d still runs", pid)
	}
}

// TestTUNStops: a run that is stopped ends its programs.
func TestTUNStops(t *testing.T) {
	tunnels(t)
	before := surroundings(t)
	config := DefaultTUNConfig()
	config.Stdin = nil
	config.Program = []string{"sleep", "60"}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	began := time.Now()
	r, err := RunTUN(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	if r.ProgramStatus != 128+int(syscall.SIGTERM) || time.Since(began) > 3*time.Second {
		t.Errorf("status %d after %v", r.ProgramStatus, time.Since(began))
	}
	if after := surroundings(t); after != before {
		t.Errorf("something was left behind:\n%s\nbefore:\n%s", after, before)
	}
}

// TestTUNWithoutProgram: what cannot be started is an error that names it.
func TestTUNWithoutProgram(t *testing.T) {
	tunnels(t)
	config := DefaultTUNConfig()
	config.Stdin = nil
	config.Program = []string{"/nonexistent/program"}
	r, err := RunTUN(t.Context(), config)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent/program") || r.ProgramStatus != StatusNotStarted {
		t.Errorf("status %d, %v", r.ProgramStatus, err)
	}
}

// TestUserNamespace: an ordinary user gets a link too, and the program within
// none of the rights that made it.
func TestUserNamespace(t *testing.T) {
	testenv.Sockets(t)
	if err := checkDevice(); err != nil {
		t.Skipf("no TUN link on this machine: %v", err)
	}
	if err := checkUserNamespaces(); err != nil {
		t.Skipf("no user namespaces on this machine: %v", err)
	}
	// This process's own output is what the new one inherits.
	cmd := exec.Command(os.Args[0], "-test.run=^TestUserNamespaceChild$")
	cmd.Env = append(os.Environ(), "RIVULET_EMULATE_TEST_CHILD=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	text := stdout.String()
	if !strings.Contains(text, deviceName+":") || strings.Contains(text, "eth0:") {
		t.Errorf("the program saw\n%s", text)
	}
	if os.Getuid() != 0 && !strings.Contains(text, "CapEff:\t0000000000000000") {
		t.Errorf("the program has rights:\n%s", text)
	}
}

// TestUserNamespaceChild is the process that TestUserNamespace starts.
func TestUserNamespaceChild(t *testing.T) {
	if os.Getenv("RIVULET_EMULATE_TEST_CHILD") != "1" {
		t.Skip("started by TestUserNamespace only")
	}
	t.Setenv(roleVariable, "nested")
	status, err := InUserNamespace(t.Context(), nil, nil)
	if err != nil || status != 0 {
		t.Fatalf("status %d, %v", status, err)
	}
}

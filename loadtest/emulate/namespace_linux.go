package emulate

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name, in which one thread of ours
// lives. Nothing of it is on disk: it ends with its last process, device and
// socket, however this process ends.
type namespace struct {
	jobs chan func()
	done chan struct{}
	link string // as /proc shows it: "net:[4026532287]"
}

// newNamespace needs CAP_SYS_ADMIN.
func newNamespace() (*namespace, error) {
	n := &namespace{jobs: make(chan func()), done: make(chan struct{})}
	began := make(chan error)
	go func() {
		defer close(n.done)
		// Never unlocked: a thread in another namespace must not go back to the
		// runtime. It ends with this goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.link, err = os.Readlink("/proc/thread-self/ns/net")
		}
		// What is started from here has no rights over it, unless it is root.
		dropInherited()
		if began <- err; err != nil {
			return
		}
		for job := range n.jobs {
			job()
		}
	}()
	if err := <-began; err != nil {
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	return n, nil
}

// dropInherited takes the rights that programs would inherit from this thread,
// which keeps its own.
func dropInherited() {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		data[0].Inheritable, data[1].Inheritable = 0, 0
		_ = unix.Capset(&header, &data[0])
	}
}

// do runs a function on the thread within the namespace. Sockets, devices and
// processes that it makes belong there.
func (n *namespace) do(f func() error) error {
	result := make(chan error, 1)
	n.jobs <- func() { result <- f() }
	return <-result
}

// close ends the thread. Programs started in it get their death signal.
func (n *namespace) close() {
	close(n.jobs)
	<-n.done
}

const (
	// grace is how long programs may take to end after SIGTERM.
	grace = 3 * time.Second
	// stragglerGrace is that of what they left behind.
	stragglerGrace = 500 * time.Millisecond
	pollEvery      = 10 * time.Millisecond
)

// evacuate ends every process that is still in one of the namespaces: what a
// program started and did not end. They would keep the namespaces alive.
func evacuate(spaces ...*namespace) {
	links := map[string]bool{}
	for _, n := range spaces {
		links[n.link] = true
	}
	for began, signal := time.Now(), syscall.SIGTERM; ; {
		left := inhabitants(links)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, signal)
		}
		switch waited := time.Since(began); {
		case waited > 2*stragglerGrace:
			return // In the middle of a system call that does not end.
		case waited > stragglerGrace:
			signal = syscall.SIGKILL
		}
		time.Sleep(pollEvery)
	}
}

// inhabitants answers the processes, other than this one, in namespaces.
func inhabitants(links map[string]bool) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if link, err := os.Readlink("/proc/" + e.Name() + "/ns/net"); err == nil && links[link] && !zombie(e.Name()) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// zombie says whether a process has ended and waits for its parent.
func zombie(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	// proc(5): the state follows the name, which is in brackets and may hold any.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

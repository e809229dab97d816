package emulate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const tunPath = "/dev/net/tun"

// needed are the rights without which there is no namespace and no device.
var needed = []struct {
	capability int
	name       string
}{{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}}

// CheckTUN says whether this process may run a TUN link: by itself, or
// (userNamespace) after it has started itself anew with [InUserNamespace]. The
// error says what is missing and what would help. Nothing remains of the check.
func CheckTUN() (userNamespace bool, err error) {
	if err := checkDevice(); err != nil {
		return false, err
	}
	if lacks := lacking(); len(lacks) > 0 {
		if err := checkUserNamespaces(); err != nil {
			return false, fmt.Errorf("emulate tun: this process lacks %s, and %w", strings.Join(lacks, " and "), err)
		}
		return true, nil
	}
	n, err := newNamespace()
	if err != nil {
		return false, fmt.Errorf("emulate tun: %w: does a sandbox or the container's seccomp profile forbid unshare?", err)
	}
	defer n.close()
	return false, n.do(func() error {
		d, err := openDevice(minMTU)
		if err != nil {
			return fmt.Errorf("emulate tun: %w", err)
		}
		d.close()
		return nil
	})
}

func checkDevice() error {
	f, err := os.OpenFile(tunPath, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("emulate tun: %w: the kernel's module is missing (modprobe tun), or the container lacks the device (--device %s)", err, tunPath)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("emulate tun: %w: run as root, or open the device to everybody (chmod 0666 %s), which is what most systems do", err, tunPath)
	}
	return fmt.Errorf("emulate tun: %w", err)
}

// lacking answers which of the needed rights the process has not.
func lacking() (names []string) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		data = [2]unix.CapUserData{}
	}
	for _, n := range needed {
		if data[n.capability/32].Effective&(1<<(n.capability%32)) == 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// checkUserNamespaces reads the switches that forbid user namespaces to
// ordinary users.
func checkUserNamespaces() error {
	for _, s := range []struct{ path, bad, remedy string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if value, err := os.ReadFile(s.path); err == nil && strings.TrimSpace(string(value)) == s.bad {
			return fmt.Errorf("user namespaces are switched off (%s is %s): run as root, or %s", s.path, s.bad, s.remedy)
		}
	}
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		return errors.New("the kernel has no user namespaces: run as root")
	}
	return nil
}

// InUserNamespace starts this program again with other arguments, in a user
// namespace in which it has the rights that [RunTUN] needs, and answers its exit
// status. Its user remains the same one. The new process calls [Inside] and
// stops when ctx ends, or this process does; what rebind yields is passed on.
func InUserNamespace(ctx context.Context, arguments []string, rebind <-chan os.Signal) (status int, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("emulate tun: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", arguments...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{reader} // becomes insideDescriptor
	ambient := make([]uintptr, 0, len(needed))
	for _, n := range needed {
		ambient = append(ambient, uintptr(n.capability))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
		AmbientCaps: ambient,
	}
	err = cmd.Start()
	_ = reader.Close()
	if err != nil {
		_ = writer.Close()
		return 0, fmt.Errorf("emulate tun: new user namespace: %w: run as root, or allow user namespaces (sandbox, seccomp profile, kernel.unprivileged_userns_clone)", err)
	}
	ended := make(chan struct{})
	var control sync.WaitGroup
	control.Go(func() {
		defer func() { _ = writer.Close() }()
		for {
			select {
			case <-rebind:
				if _, err := writer.Write([]byte{1}); err != nil {
					return
				}
			case <-ctx.Done():
				return
			case <-ended:
				return
			}
		}
	})
	err = cmd.Wait()
	close(ended)
	control.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("emulate tun: %w", err)
	}
	return exitStatus(cmd.ProcessState), nil
}

// insideDescriptor is a pipe from the process that called InUserNamespace: a
// byte asks for a change of address, its end for an end.
const insideDescriptor = 3

// Inside is for the process that [InUserNamespace] has started: the context ends
// when the other one wants that, the channel is for [TUNConfig].Rebind.
func Inside(ctx context.Context) (context.Context, <-chan os.Signal) {
	// The programs that are started have no business with it.
	unix.CloseOnExec(insideDescriptor)
	pipe := os.NewFile(insideDescriptor, "control")
	ctx, stop := context.WithCancel(ctx)
	rebind := make(chan os.Signal, 1)
	// Ends with the other process, or with this one.
	go func() {
		defer stop()
		var one [1]byte
		for {
			if n, err := pipe.Read(one[:]); n == 0 || err != nil {
				return
			}
			select {
			case rebind <- syscall.SIGUSR1:
			default:
			}
		}
	}()
	return ctx, rebind
}

// exitStatus is that of a process as a shell tells it.
func exitStatus(p *os.ProcessState) int {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}

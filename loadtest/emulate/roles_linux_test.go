package emulate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable makes this test binary one of the programs at the ends of the
// link.
const roleVariable = "RIVULET_EMULATE_TEST_ROLE"

func TestMain(m *testing.M) {
	role, argument, _ := strings.Cut(os.Getenv(roleVariable), " ")
	if role == "" {
		// As the commands do: a processor of the runtime is free when the
		// emulator wakes up, whatever the tests' own goroutines do.
		runtime.GOMAXPROCS(runtime.NumCPU() + 2)
		os.Exit(m.Run())
	}
	run, known := roles[role]
	if !known {
		fmt.Fprintln(os.Stderr, "unknown role", role)
		os.Exit(2)
	}
	if err := run(argument); err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// roles are programs. Each ends by itself within seconds.
var roles = map[string]func(argument string) error{
	"download":  download,
	"upload":    upload,
	"echo":      echo,
	"pingpong":  pingPong,
	"addresses": addresses,
	"nested":    nested,
	"linger":    linger,
}

// farPort is where the far side's programs listen.
const farPort = 4000

func farEnd() netip.AddrPort { return netip.AddrPortFrom(FarAddress, farPort) }

// dialFar connects to the far side, which may still be starting.
func dialFar(network string) (c net.Conn, err error) {
	for range 300 {
		if c, err = net.Dial(network, farEnd().String()); err == nil {
			return c, c.SetDeadline(time.Now().Add(5 * time.Second))
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

// download reads everything that the far side sends over TCP and prints its hash.
func download(string) error {
	c, err := dialFar("tcp")
	if err != nil {
		return err
	}
	defer c.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, c); err != nil {
		return err
	}
	fmt.Printf("%x", hash.Sum(nil))
	return nil
}

// upload sends as many bytes over TCP.
func upload(argument string) error {
	n, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	c, err := dialFar("tcp")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err = c.Write(content(n)); err != nil {
		return err
	}
	if err = c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}

// content is n bytes that do not repeat.
func content(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

// stamps of one packet there and back, in nanoseconds of the wall clock: when it
// was sent and when it came to the system, on each side.
type stamps [4]int64

// stamped waits for a packet and answers when it came to the system: a program
// on a busy machine may be late.
func stamped(s *socket, buffer []byte, patience time.Duration) (n int, at int64, err error) {
	for {
		if d, ok := s.receive(buffer); ok {
			return d.size, d.at.UnixNano(), nil
		}
		poll := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
		switch n, err := unix.Poll(poll, int(patience.Milliseconds())); {
		case err == unix.EINTR:
		case err != nil:
			return 0, 0, err
		case n == 0:
			return 0, 0, os.ErrDeadlineExceeded
		}
	}
}

// echo answers UDP packets on the far side with their stamps, until there are
// none for long.
func echo(string) error {
	s, err := openSocket(netip.AddrPortFrom(netip.IPv4Unspecified(), farPort), netip.AddrPort{})
	if err != nil {
		return err
	}
	buffer, answer := make([]byte, 2048), make([]byte, 16)
	for {
		_, at, err := stamped(s, buffer, 3*time.Second)
		if err != nil {
			return err
		}
		_, to := s.from()
		binary.BigEndian.PutUint64(answer, uint64(at))
		binary.BigEndian.PutUint64(answer[8:], uint64(time.Now().UnixNano()))
		s.send(answer, &to)
	}
}

// pingPong sends packets to the far side, one after another, and prints their
// stamps.
func pingPong(string) error {
	s, err := openSocket(netip.AddrPort{}, farEnd())
	if err != nil {
		return err
	}
	buffer := make([]byte, 100)
	var all []stamps
	for try := 0; len(all) < 40; {
		sent := time.Now().UnixNano()
		s.send([]byte("?"), nil)
		n, at, err := stamped(s, buffer, 300*time.Millisecond)
		if err == nil && n == 16 {
			all = append(all, stamps{sent, int64(binary.BigEndian.Uint64(buffer)), int64(binary.BigEndian.Uint64(buffer[8:])), at})
		} else if try++; try > 10 {
			return fmt.Errorf("no answer: %d bytes, %v", n, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// addresses prints the interfaces and their addresses until the far address of
// the argument's number of changes is there.
func addresses(argument string) error {
	changes, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	want, _ := nearAddresses(changes)
	for range 300 {
		interfaces, err := net.Interfaces()
		if err != nil {
			return err
		}
		var text []string
		for _, i := range interfaces {
			all, err := i.Addrs()
			if err != nil {
				return err
			}
			for _, a := range all {
				text = append(text, i.Name+" "+a.String())
			}
		}
		if all := strings.Join(text, "\n"); strings.Contains(all, want.String()+"/") {
			// The route to the far side is there still.
			c, err := dialFar("udp")
			if err != nil {
				return err
			}
			defer c.Close()
			fmt.Println(all)
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("no address %v", want)
}

// linger leaves a program behind that nobody waits for, prints its process
// number and ends with status 7.
func linger(string) error {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Print(cmd.Process.Pid)
	os.Exit(7)
	return nil
}

// nested is RunTUN of a user without rights, in a user namespace.
func nested(string) error {
	config := DefaultTUNConfig()
	config.Links.Down.Delay = 10 * time.Millisecond
	config.Program = []string{"sh", "-c", "cat /proc/self/status; cat /proc/net/dev; ls /proc/self/fd"}
	ctx, rebind := Inside(context.Background())
	config.Rebind = rebind
	r, err := RunTUN(ctx, config)
	if err != nil {
		return err
	}
	if r.ProgramStatus != 0 {
		return fmt.Errorf("status %d", r.ProgramStatus)
	}
	return nil
}

package emulate

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// bench is a proxy that runs, with a server behind it and a client before it.
type bench struct {
	t      *testing.T
	proxy  *UDP
	server *net.UDPConn
	client *net.UDPConn
	stop   context.CancelFunc
	ended  chan Report
}

func newBench(t *testing.T, change func(*UDPConfig)) *bench {
	t.Helper()
	testenv.Sockets(t)
	b := &bench{t: t, ended: make(chan Report, 1)}
	b.server = b.listen()
	raw, err := b.server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	config := DefaultUDPConfig()
	config.To = b.server.LocalAddr().(*net.UDPAddr).AddrPort()
	change(&config)
	if b.proxy, err = OpenUDP(config); err != nil {
		t.Fatal(err)
	}
	b.client = b.dial()
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		r, err := b.proxy.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		b.ended <- r
	}()
	t.Cleanup(stop)
	return b
}

func (b *bench) listen() *net.UDPConn {
	b.t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.prepare(c)
}

func (b *bench) dial() *net.UDPConn {
	b.t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(b.proxy.Addr()))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.prepare(c)
}

// prepare gives a socket room for everything that a test sends, and an end.
func (b *bench) prepare(c *net.UDPConn) *net.UDPConn {
	b.t.Cleanup(func() { c.Close() })
	if err := c.SetReadBuffer(4 << 20); err != nil {
		b.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// finish ends the run and answers its report, which a failed test prints.
func (b *bench) finish() Report {
	b.t.Helper()
	b.stop()
	r := <-b.ended
	b.t.Logf("%+v", r)
	return r
}

// arrival is a numbered packet that came through.
type arrival struct {
	number uint32
	sent   time.Duration // since the test began
	at     time.Duration
}

// flood sends n packets of so many bytes of payload through the link, one every
// interval, and answers what arrived until there was nothing for a second.
func (b *bench) flood(n, size int, interval time.Duration) (arrivals []arrival) {
	b.t.Helper()
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer, stamp := make([]byte, 2048), socket{}
		for {
			if b.server.SetReadDeadline(time.Now().Add(time.Second)) != nil {
				return
			}
			got, extra, _, _, err := b.server.ReadMsgUDPAddrPort(buffer, stamp.extra[:])
			if err != nil {
				return
			}
			// The system's time: this goroutine may be late.
			d := datagram{at: time.Now()}
			stamp.head.SetControllen(extra)
			stamp.readExtra(&d)
			if got != size {
				b.t.Errorf("a packet of %d bytes, %d were sent", got, size)
				return
			}
			arrivals = append(arrivals, arrival{
				binary.BigEndian.Uint32(buffer), time.Duration(binary.BigEndian.Uint64(buffer[4:])), d.at.Sub(began)})
		}
	}()
	packet := make([]byte, size)
	for i := range n {
		if wait := time.Until(began.Add(time.Duration(i) * interval)); wait > 0 {
			time.Sleep(wait)
		}
		binary.BigEndian.PutUint32(packet, uint32(i))
		binary.BigEndian.PutUint64(packet[4:], uint64(time.Since(began)))
		if _, err := b.client.Write(packet); err != nil {
			b.t.Fatal(err)
		}
	}
	<-done
	return arrivals
}

func ordered(arrivals []arrival) bool {
	return slices.IsSortedFunc(arrivals, func(a, b arrival) int { return int(a.number) - int(b.number) })
}

// attempts is how often a run that calls itself invalid is repeated.
const attempts = 3

// validate runs a check, which answers its report and what was wrong. Faults of a
// run that the emulator itself calls invalid say nothing about the link: a
// machine that stands still is not a wrong rate. It is repeated, a few times. An
// emulator that is late because of its own code is late in the median too.
func validate(t *testing.T, check func() (Report, []string)) {
	t.Helper()
	for i := 1; ; i++ {
		r, faults := check()
		if len(faults) == 0 {
			return
		}
		switch {
		case r.Valid || r.Lateness.P50 > 1 || r.Wake.P50 > 1:
			t.Fatalf("attempt %d: %s\n%+v", i, strings.Join(faults, "\n"), r)
		case i == attempts:
			t.Skipf("this machine is too busy to emulate anything: %d runs called themselves invalid, the last because %q", i, r.Invalid)
		}
		t.Logf("attempt %d is invalid, again: %q, %q", i, r.Invalid, faults)
	}
}

// faults gathers what is wrong.
type faults []string

func (f *faults) check(right bool, format string, values ...any) {
	if !right {
		*f = append(*f, fmt.Sprintf(format, values...))
	}
}

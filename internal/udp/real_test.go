package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// pair opens two sockets on loopback.
func pair(t testing.TB, listen string, cfg Config) (a, b *Socket) {
	t.Helper()
	open := func() *Socket {
		s, err := Listen(netip.MustParseAddrPort(listen), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	return open(), open()
}

// loopback is where a socket of pair can be reached.
func loopback(s *Socket, addr string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), s.LocalAddr().Port())
}

// collect reads n datagrams.
func collect(t testing.TB, s *Socket, n int) (got []Message) {
	t.Helper()
	ms := make([]Message, 7) // not a divisor of anything
	for i := range ms {
		ms[i].Buffer = make([]byte, 2048)
	}
	for len(got) < n {
		k, err := s.ReadBatch(ms)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms[:k] {
			got = append(got, Message{Buffer: bytes.Clone(m.Buffer[:m.N]), N: m.N, Addr: m.Addr})
		}
	}
	return got
}

func TestRealSocketsCarryBatches(t *testing.T) {
	testenv.Sockets(t)
	for _, c := range []struct{ name, listen, addr string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
		{"dual stack by IPv4", "[::]:0", "127.0.0.1"},
		{"dual stack by IPv6", "[::]:0", "::1"},
	} {
		for _, cfg := range []Config{{}, {NoSegmentation: true}, {NoCoalescing: true}, {NoSegmentation: true, NoCoalescing: true, DSCP: 46}} {
			t.Run(fmt.Sprintf("%s %+v", c.name, cfg), func(t *testing.T) {
				a, b := pair(t, c.listen, cfg)
				to := loopback(b, c.addr)
				var out []Message
				for i := range 150 {
					size := 1100
					if i%10 == 9 || i%25 == 3 {
						size = 200 + i
					}
					out = append(out, Message{Buffer: bytes.Repeat([]byte{byte(i)}, size), N: size, Addr: to})
				}
				// By fifties, which fit the receive queue of an unprivileged user.
				var got []Message
				for part := range slices.Chunk(out, 50) {
					if n, err := a.WriteBatch(part); n != len(part) || err != nil {
						t.Fatalf("WriteBatch = %d, %v", n, err)
					}
					got = append(got, collect(t, b, len(part))...)
				}
				for i, m := range got {
					if !bytes.Equal(m.Buffer, out[i].Buffer) {
						t.Fatalf("datagram %d: %d bytes of %v, want %d of %v", i, m.N, m.Buffer[0], out[i].N, out[i].Buffer[0])
					}
					if want := loopback(a, c.addr); m.Addr != want {
						t.Fatalf("came from %v, want %v", m.Addr, want)
					}
				}
				if s := a.Stats(); s.WriteDatagrams != 150 || s.WriteErrors != 0 {
					t.Fatalf("stats %+v", s)
				}
				if runtime.GOOS == "linux" && a.Stats().WriteCalls > 4 {
					t.Errorf("150 datagrams took %d system calls", a.Stats().WriteCalls)
				}
			})
		}
	}
}

func TestUnreachableDatagramsAreSkipped(t *testing.T) {
	testenv.Sockets(t)
	a, b := pair(t, "127.0.0.1:0", Config{})
	to := b.LocalAddr()
	ok := Message{Buffer: []byte("good"), N: 4, Addr: to}
	n, err := a.WriteBatch([]Message{
		ok,
		{Buffer: []byte("x"), N: 1, Addr: netip.MustParseAddrPort("[::1]:9")},     // other family
		{Buffer: []byte("x"), N: 1, Addr: netip.MustParseAddrPort("127.0.0.1:0")}, // no port
		{Buffer: make([]byte, 65535), N: 65535, Addr: to},                         // too long
		ok,
	})
	if n != 2 || err != nil {
		t.Fatalf("WriteBatch = %d, %v; want 2, nil", n, err)
	}
	for _, m := range collect(t, b, 2) {
		if string(m.Buffer) != "good" {
			t.Fatalf("read %q", m.Buffer)
		}
	}
	if got := a.Stats().WriteErrors; got != 3 {
		t.Fatalf("%d errors counted, want 3", got)
	}
}

func TestDatagramsThatDoNotFitAreCounted(t *testing.T) {
	testenv.Sockets(t)
	for _, cfg := range []Config{{}, {NoCoalescing: true}} {
		a, b := pair(t, "127.0.0.1:0", cfg)
		if _, err := a.WriteTo(make([]byte, 100), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		ms := []Message{{Buffer: make([]byte, 50)}}
		if n, err := b.ReadBatch(ms); n != 1 || err != nil || ms[0].N != 0 {
			t.Fatalf("ReadBatch = %d, %v with %d bytes", n, err, ms[0].N)
		}
		if b.Stats().ReadTruncated != 1 {
			t.Fatalf("stats %+v", b.Stats())
		}
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	testenv.Sockets(t)
	a, _ := pair(t, "127.0.0.1:0", Config{})
	failed := make(chan error)
	go func() {
		_, err := a.ReadBatch([]Message{{Buffer: make([]byte, 10)}})
		failed <- err
	}()
	_ = a.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("reader ended with %v", err)
	}
	if n, err := a.WriteBatch([]Message{{Addr: a.LocalAddr()}}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Fatalf("WriteBatch after Close = %d, %v", n, err)
	}
}

func TestManyWritersShareASocket(t *testing.T) {
	testenv.Sockets(t)
	a, b := pair(t, "127.0.0.1:0", DefaultConfig())
	const writers, batches, size = 4, 4, 8
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			ms := make([]Message, size)
			for k := range batches {
				for i := range ms {
					ms[i] = Message{Buffer: []byte{byte(w), byte(k), byte(i)}, N: 3, Addr: b.LocalAddr()}
				}
				if n, err := a.WriteBatch(ms); n != size || err != nil {
					t.Errorf("WriteBatch = %d, %v", n, err)
				}
			}
		})
	}
	next := [writers]int{}
	for _, m := range collect(t, b, writers*batches*size) {
		w, at := m.Buffer[0], int(m.Buffer[1])*size+int(m.Buffer[2])
		if at != next[w] {
			t.Fatalf("writer %d: datagram %d, want %d", w, at, next[w])
		}
		next[w]++
	}
	group.Wait()
}

func TestBuffersAreGranted(t *testing.T) {
	testenv.Sockets(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	a, _ := pair(t, "127.0.0.1:0", Config{ReceiveBuffer: 100_000, SendBuffer: 100_000})
	if receive, send := a.BufferSizes(); receive != 100_000 || send != 100_000 {
		t.Fatalf("granted %d and %d", receive, send)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	testenv.Sockets(t)
	a, b := pair(t, "127.0.0.1:0", DefaultConfig())
	out := make([]Message, 16)
	in := make([]Message, 16)
	for i := range out {
		out[i] = Message{Buffer: make([]byte, 1000+i/8), N: 1000 + i/8, Addr: b.LocalAddr()}
		in[i].Buffer = make([]byte, 2048)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		if n, err := a.WriteBatch(out); n != 16 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		for got := 0; got < 16; {
			n, err := b.ReadBatch(in)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if _, err := a.WriteTo(out[0].Buffer, b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if n, err := b.ReadBatch(in); n != 1 || err != nil {
			t.Fatalf("ReadBatch = %d, %v", n, err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations per round of 17 datagrams", allocs)
	}
}

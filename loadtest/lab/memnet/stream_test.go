package memnet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// streams makes two hosts and a stream from the first to the second.
func streams(t *testing.T, config Config) (n *Network, client, server net.Conn) {
	t.Helper()
	n = New(config)
	t.Cleanup(func() { _ = n.Close() })
	n.Host(alice)
	l, err := n.Host(bob).ListenStream(80)
	if err != nil {
		t.Fatal(err)
	}
	client, err = n.hosts[alice].DialContext(t.Context(), "tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return n, client, server
}

func TestStreamDialTakesARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, client, server := streams(t, Config{})
		if took := time.Since(start); took != 2*DefaultDelay {
			t.Fatalf("took %v", took)
		}
		if client.LocalAddr().String() != server.RemoteAddr().String() || server.LocalAddr().String() != client.RemoteAddr().String() {
			t.Fatalf("%v-%v against %v-%v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
		}
	})
}

// TestStreamArrivesWhole sends a megabyte both ways over paths that lose,
// reorder and delay.
func TestStreamArrivesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := streams(t, Config{})
		random := rand.New(rand.NewPCG(1, 2))
		bad := linkFunc(func(now time.Time, _ int) (time.Time, bool) {
			return now.Add(time.Duration(random.IntN(20_000_000))), random.IntN(50) != 0
		})
		n.Connect(alice, bob, bad)
		n.Connect(bob, alice, bad)
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		var wait sync.WaitGroup
		for _, c := range []net.Conn{client, server} {
			wait.Go(func() {
				if k, err := c.Write(data); k != len(data) || err != nil {
					t.Errorf("wrote %d, %v", k, err)
				}
				_ = c.(*Conn).CloseWrite()
			})
			wait.Go(func() {
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("read %d bytes, %v; equal %v", len(got), err, bytes.Equal(got, data))
				}
			})
		}
		wait.Wait()
		if n.Stats().Lost == 0 {
			t.Error("nothing was lost: the test shows nothing")
		}
	})
}

func TestStreamBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := streams(t, Config{StreamWindow: 10_000})
		written := make(chan int)
		go func() {
			k, _ := client.Write(make([]byte, 25_000))
			written <- k
		}()
		time.Sleep(time.Minute)
		select {
		case k := <-written:
			t.Fatalf("wrote %d bytes into a window of 10000", k)
		default:
		}
		if _, err := io.ReadFull(server, make([]byte, 15_000)); err != nil {
			t.Fatal(err)
		}
		if k := <-written; k != 25_000 {
			t.Fatalf("wrote %d", k)
		}
	})
}

func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := streams(t, Config{StreamWindow: 5000})
		start := time.Now()
		_ = client.SetDeadline(start.Add(2 * time.Second))
		k, err := client.Write(make([]byte, 9000))
		if k != 5000 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Fatalf("wrote %d, %v after %v", k, err, time.Since(start))
		}
		if _, err = client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v", err)
		}
		_ = client.SetDeadline(time.Time{})
		if _, err := io.ReadFull(server, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte("again")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStreamClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := streams(t, Config{})
		if _, err := client.Write([]byte("bye")); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		got, err := io.ReadAll(server)
		if string(got) != "bye" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("read after close: %v", err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("write after close: %v", err)
		}
		// The first write to the closed end is answered by a reset.
		if _, err := server.Write([]byte("anybody?")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("write after reset: %v", err)
		}
		if err := server.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
		if err := server.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("deadline after close: %v", err)
		}
	})
}

// A writer that waits for room must not wait for a reader that left.
func TestStreamCloseFreesABlockedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := streams(t, Config{StreamWindow: 3000})
		failed := make(chan error)
		go func() {
			_, err := client.Write(make([]byte, 100_000))
			failed <- err
		}()
		time.Sleep(time.Second)
		_ = server.Close()
		if err := <-failed; !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestStreamTimesOutWhenNothingGetsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := streams(t, Config{})
		n.SetFilter(func(Packet) bool { return false })
		if _, err := client.Write([]byte("lost")); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Fatalf("got %v", err)
		}
		_ = server.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the other end heard of it: %v", err)
		}
	})
}

func TestStreamSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, server := streams(t, Config{})
		n.SetFilter(func(Packet) bool { return false })
		_, _ = client.Write([]byte("patience"))
		time.Sleep(5 * time.Second)
		n.SetFilter(nil)
		buf := make([]byte, 20)
		if k, err := server.Read(buf); err != nil || string(buf[:k]) != "patience" {
			t.Fatalf("got %q, %v", buf[:k], err)
		}
	})
}

// A slow link must not be flooded beyond the congestion window at first.
func TestStreamBeginsWithASmallWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, client, _ := streams(t, Config{})
		n.Connect(alice, bob, linkFunc(func(now time.Time, _ int) (time.Time, bool) {
			return now.Add(time.Second), true
		}))
		before := n.Path(alice, bob).Packets
		if _, err := client.Write(make([]byte, 60_000)); err != nil {
			t.Fatal(err)
		}
		if got := n.Path(alice, bob).Packets - before; got != firstWindow {
			t.Fatalf("%d segments at once, want %d", got, firstWindow)
		}
	})
}

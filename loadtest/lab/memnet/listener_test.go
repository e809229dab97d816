package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.Host(alice)
		l, err := h.ListenTCP("tcp4", &net.TCPAddr{Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ListenStream(80); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("bound twice: %v", err)
		}
		_ = l.SetDeadline(time.Now().Add(time.Second))
		if _, err := l.AcceptTCP(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		_ = l.SetDeadline(time.Time{})
		// Nobody accepts: the dial succeeds, and Close resets it.
		c, err := h.Dial("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		l2, _ := h.ListenStream(81)
		go func() {
			_, err := l2.Accept()
			ended <- err
		}()
		synctest.Wait()
		_ = l.Close()
		_ = l2.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("accept ended with %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("unaccepted stream: %v", err)
		}
		if _, err := h.ListenStream(80); err != nil {
			t.Fatalf("port not freed: %v", err)
		}
	})
}

func TestListenerBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.Host(alice)
		l, err := h.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range backlog + 1 {
			wait.Go(func() {
				if _, err := h.Dial("tcp", "10.0.0.1:80"); err != nil {
					t.Error(err)
				}
			})
		}
		start := time.Now()
		time.Sleep(time.Millisecond)
		for range backlog + 1 {
			if _, err := l.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		wait.Wait()
		if took := time.Since(start); took < handshakeRetry {
			t.Fatalf("all accepted after %v: the backlog has no end", took)
		}
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.Host(alice)
		n.Host(bob)
		start := time.Now()
		if _, err := h.Dial("tcp", "10.0.0.2:81"); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) != 2*DefaultDelay {
			t.Fatalf("closed port: %v after %v", err, time.Since(start))
		}
		if _, err := h.Dial("tcp", "10.4.4.4:80"); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Fatalf("no such host: %v", err)
		}
		if _, err := h.Dial("unix", "/x"); err == nil {
			t.Fatal("dialled unix")
		}
		n.SetFilter(func(Packet) bool { return false })
		if _, err := h.Dial("tcp", "10.0.0.2:80"); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Fatalf("silence: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		start = time.Now()
		if _, err := h.DialContext(ctx, "tcp", "10.0.0.2:80"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Fatalf("context: %v after %v", err, time.Since(start))
		}
		ended := make(chan error)
		go func() {
			_, err := h.Dial("tcp", "10.0.0.2:80")
			ended <- err
		}()
		synctest.Wait()
		_ = n.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("network closed: %v", err)
		}
	})
}

// A dial that is given up while the server has accepted already leaves the
// server an end that closes.
func TestAbandonedDialClosesTheServersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.Host(alice)
		l, err := n.Host(bob).ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), DefaultDelay+DefaultDelay/2)
		defer cancel()
		if _, err := h.DialContext(ctx, "tcp", "10.0.0.2:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("got %v", err)
		}
	})
}

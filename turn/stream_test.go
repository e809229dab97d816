package turn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
)

// bind makes an allocation with channel 0x4000 to the media socket.
func (p *probe) bind() {
	p.t.Helper()
	if code := p.allocate(); code != 0 {
		p.t.Fatalf("allocate = %d", code)
	}
	if code := p.do(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(mediaAddr)); code != 0 {
		p.t.Fatalf("channel bind = %d", code)
	}
}

func TestRelayOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, conn := l.tcpProbe("u")
		defer func() { _ = conn.Close() }()
		p.bind()
		for size := range 40 { // every padding; data below 5 bytes waits for more, see below
			data := bytes.Repeat([]byte{byte(size)}, 5+size)
			if err := p.sendRaw(channelData(0x4000, data)); err != nil {
				t.Fatal(err)
			}
			back, err := p.receive()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back, channelData(0x4000, data)) {
				t.Fatalf("sent % x, received % x", data, back)
			}
		}
		synctest.Wait() // a packet is counted when it is out, perhaps after its echo
		if stats := l.server.Stats(); stats.TCP.Now != 1 || stats.TCP.Total != 1 || stats.ToPeers.Packets != 40 || stats.FromPeers.Packets != 40 {
			t.Errorf("stats %+v", stats)
		}
		// The allocation ends with its connection.
		_ = conn.Close()
		synctest.Wait()
		if stats := l.server.Stats(); stats.AllocationsNow != 0 || stats.TCP.Now != 0 {
			t.Errorf("after the end: %d allocations, %d connections", stats.AllocationsNow, stats.TCP.Now)
		}
	})
}

// Frames arrive one byte at a time, and many at once.
func TestStreamCutsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, conn := l.tcpProbe("u")
		defer func() { _ = conn.Close() }()
		p.bind()
		frame := channelData(0x4000, []byte("slowly"))
		for i := range frame {
			if _, err := conn.Write(frame[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if back, err := p.receive(); err != nil || !bytes.Equal(back, frame) {
			t.Fatalf("received % x, %v", back, err)
		}
		if _, err := conn.Write(bytes.Repeat(frame, 50)); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if back, err := p.receive(); err != nil || !bytes.Equal(back, frame) {
				t.Fatalf("frame %d: % x, %v", i, back, err)
			}
		}
	})
}

func TestStreamRefusesGarbage(t *testing.T) {
	cases := map[string][]byte{
		"HTTP":              []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS":               {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
		"no cookie":         append([]byte{0, 1, 0, 0}, make([]byte, 16)...),
		"endless STUN":      {0, 1, 0xff, 0xfc, 0x21, 0x12, 0xA4, 0x42},
		"endless channel":   {0x40, 0, 0xff, 0xff},
		"reserved bits":     {0x80, 0, 0, 4, 1, 2, 3, 4},
		"after a good one":  append(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, 0xff, 0xff, 0xff, 0xff),
		"frame beyond ours": {0x40, 0, 0x06, 0x40},
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				defer l.close()
				_, conn := l.tcpProbe("u")
				go func() { _, _ = conn.Write(data) }()
				if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("read until the end: %v", err)
				}
				synctest.Wait()
				stats := l.server.Stats().TCP
				if stats.Malformed != 1 || stats.Now != 0 {
					t.Errorf("stats %+v, want one malformed and none open", stats)
				}
			})
		})
	}
}

func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		start := time.Now()
		_, silent := l.tcpProbe("u")
		_, _ = io.Copy(io.Discard, silent)
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("a silent connection lasted %v, want 15s", took)
		}
		// Binding requests prove nothing and buy no time.
		start = time.Now()
		chatty, conn := l.tcpProbe("u")
		for time.Since(start) < time.Minute {
			if chatty.sendRaw(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw) != nil || chatty.message() == nil {
				break
			}
			time.Sleep(4 * time.Second)
		}
		_ = conn.Close()
		if took := time.Since(start); took > 17*time.Second {
			t.Errorf("a connection without allocation lasted %v, want about 15s", took)
		}
		// With an allocation it lasts, until nothing comes for five minutes.
		p, conn := l.tcpProbe("u")
		p.bind()
		for range 10 {
			time.Sleep(4 * time.Minute)
			if code := p.do(stun.MethodRefresh); code != 0 {
				t.Fatalf("refresh = %d", code)
			}
		}
		start = time.Now()
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn)
		if took := time.Since(start); (took - 5*time.Minute).Abs() > 2*time.Second {
			t.Errorf("an idle connection lasted %v, want 5m", took)
		}
		synctest.Wait()
		if stats := l.server.Stats(); stats.TCP.Unproven != 2 || stats.TCP.Idle != 1 || stats.TCP.Now != 0 || stats.AllocationsNow != 0 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestStreamCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Limits.TCPConnections, c.Limits.TCPConnectionsPerIP = 5, 2 })
		defer l.close()
		open := func(from string) bool {
			conn, err := l.tcp.dial(netip.MustParseAddr(from))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			_, err = conn.Read(make([]byte, 1))
			return !errors.Is(err, io.EOF)
		}
		for i, c := range []struct {
			from string
			want bool
		}{
			{"198.51.100.1", true}, {"198.51.100.1", true}, {"198.51.100.1", false}, {"::ffff:198.51.100.1", false},
			{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"198.51.100.2", true}, {"198.51.100.3", false},
		} {
			if got := open(c.from); got != c.want {
				t.Errorf("connection %d from %s: open %v, want %v", i, c.from, got, c.want)
			}
		}
		if stats := l.server.Stats().TCP; stats.RefusedPerIP != 3 || stats.RefusedTotal != 1 || stats.Now != 5 {
			t.Errorf("stats %+v", stats)
		}
		time.Sleep(20 * time.Second) // all five prove nothing in time
		if !open("198.51.100.1") {
			t.Error("no connection after the others ended")
		}
	})
}

// A client that does not read loses media, then its connection, and nobody else
// waits for it.
func TestStreamThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, conn := l.tcpProbe("stuck")
		defer func() { _ = conn.Close() }()
		p.bind()
		q, client := l.udpProbe("other")
		q.bind()
		start := time.Now()
		frame := channelData(0x4000, make([]byte, 1000))
		for range 400 { // a pipe holds nothing: the first answer blocks the writer
			if err := p.sendRaw(frame); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.sendRaw(frame); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(client.in) != 1 || time.Since(start) != 0 {
			t.Errorf("the other client received %d packets after %v, want 1 at once", len(client.in), time.Since(start))
		}
		if dropped := l.server.Stats().Dropped.Overflow; dropped < 100 {
			t.Errorf("%d packets dropped, want all beyond the queue", dropped)
		}
		// It reads again: what waited too long is gone, what is new comes.
		time.Sleep(time.Second)
		if _, err := p.receive(); err != nil {
			t.Fatal(err)
		}
		if err := p.sendRaw(channelData(0x4000, []byte("fresh"))); err != nil {
			t.Fatal(err)
		}
		if back, err := p.receive(); err != nil || !bytes.Equal(back, channelData(0x4000, []byte("fresh"))) {
			t.Errorf("received %d bytes, %v; want the fresh packet", len(back), err)
		}
		if stale := l.server.Stats().Dropped.Stale; stale < 200 {
			t.Errorf("%d stale packets dropped, want the whole queue", stale)
		}
		// It stops for good.
		if err := p.sendRaw(frame); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if stats := l.server.Stats(); stats.TCP.Stalled != 1 || stats.TCP.Now != 0 || stats.AllocationsNow != 1 {
			t.Errorf("stats %+v, want the connection and its allocation gone", stats)
		}
	})
}

// Who asks without end and reads no answers is cut off; the memory is bounded.
func TestStreamThatOnlyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		p, conn := l.tcpProbe("u")
		p.bind()
		asked := 0
		for ; asked < 10*maxQueueFrames; asked++ {
			m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest),
				stun.NewUsername(p.username), stun.NewRealm(p.realm), stun.NewNonce(p.nonce),
				stun.NewLongTermIntegrity(p.username, p.realm, p.password))
			if p.sendRaw(m.Raw) != nil {
				break
			}
		}
		_ = conn.Close()
		// Some more are on their way in, or in the writer's hands.
		if slack := (readBuffer + maxFrame + writeBatch) / stunHeaderLength; asked > maxQueueFrames+slack {
			t.Errorf("served %d requests without one answer read, want at most %d", asked, maxQueueFrames+slack)
		}
		if stalled := l.server.Stats().TCP.Stalled; stalled != 1 {
			t.Errorf("stalled %d, want 1", stalled)
		}
	})
}

func TestStreamAnswersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.Limits.AnswersPerSecond, c.Limits.AnswersBurst = 1, 5 })
		defer l.close()
		p, conn := l.tcpProbe("u")
		defer func() { _ = conn.Close() }()
		answers := 0
		for range 20 {
			if p.sendRaw(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw) != nil || p.message() == nil {
				break
			}
			answers++
		}
		if answers != 5 {
			t.Errorf("%d answers, want 5", answers)
		}
	})
}

// A connection without TCP addresses cannot be told from another: refused.
func TestListenerRefusesStrangeAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.close()
		here, there := net.Pipe()
		l.tcp.conns <- there
		if _, err := here.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read = %v, want the end", err)
		}
	})
}

func TestQueue(t *testing.T) {
	start := time.Unix(1000, 0)
	media := func(n int) []byte { return channelData(0x4000, bytes.Repeat([]byte{byte(n)}, 96)) }
	answer := stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw
	t.Run("order and batches", func(t *testing.T) {
		var q queue
		var want []byte
		for i := range 100 {
			if !q.push(start, media(i)) {
				t.Fatal("no room")
			}
			want = append(want, media(i)...)
		}
		var got []byte
		for {
			batch, dropped := q.take(start.Add(maxQueueAge), nil, 350)
			if len(batch) == 0 {
				break
			}
			if dropped != 0 || len(batch) > 350 || len(batch)%100 != 0 {
				t.Fatalf("batch of %d bytes, %d dropped", len(batch), dropped)
			}
			got = append(got, batch...)
		}
		if !bytes.Equal(got, want) || q.bytes != 0 || q.count != 0 {
			t.Errorf("%d bytes came out of %d; %d bytes and %d frames left", len(got), len(want), q.bytes, q.count)
		}
	})
	t.Run("a frame above the batch goes whole", func(t *testing.T) {
		var q queue
		big := channelData(0x4000, make([]byte, 1500))
		q.push(start, big)
		if batch, _ := q.take(start, nil, 100); !bytes.Equal(batch, big) {
			t.Errorf("%d bytes, want %d", len(batch), len(big))
		}
	})
	t.Run("age drops media and not answers", func(t *testing.T) {
		var q queue
		q.push(start, media(1))
		q.push(start, answer)
		q.push(start, media(2))
		q.push(start.Add(time.Second), media(3))
		batch, dropped := q.take(start.Add(time.Second), nil, 1400)
		if want := append(bytes.Clone(answer), media(3)...); !bytes.Equal(batch, want) || dropped != 2 {
			t.Errorf("%d bytes, %d dropped; want %d and 2", len(batch), dropped, len(want))
		}
	})
	t.Run("bounded", func(t *testing.T) {
		var q queue
		n := 0
		for q.push(start, media(n)) {
			n++
		}
		if n != maxQueueFrames {
			t.Errorf("%d small frames, want %d", n, maxQueueFrames)
		}
		var r queue
		n = 0
		for r.push(start, make([]byte, 1000)) {
			n++
		}
		if n != maxQueueBytes/1000 {
			t.Errorf("%d large frames, want %d", n, maxQueueBytes/1000)
		}
	})
}

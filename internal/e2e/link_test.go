package e2e

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
)

// link is the server's media socket with a bad network around it.
type link struct {
	net.PacketConn

	mu     sync.Mutex
	random *rand.Rand
	loss   float64 // of each direction, 0 to 1
}

// badLink puts a link that loses nothing yet before the media port of a server.
func badLink(t *testing.T) (*link, func(*sfu.Config)) {
	t.Helper()
	l := &link{random: rand.New(rand.NewPCG(5, 6))}
	return l, func(cfg *sfu.Config) {
		address := cfg.Sockets[0].LocalAddr()
		if err := cfg.Sockets[0].Close(); err != nil {
			t.Fatal(err)
		}
		conn, err := net.ListenPacket("udp", address.String())
		if err != nil {
			t.Fatal(err)
		}
		l.PacketConn = conn
		cfg.Sockets = []*udp.Socket{udp.Wrap(l)}
	}
}

// lose sets the share of packets that are lost from now on.
func (l *link) lose(share float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loss = share
}

func (l *link) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.Float64() < l.loss
}

func (l *link) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := l.PacketConn.ReadFrom(b)
		if err != nil || !l.lost() {
			return n, from, err
		}
	}
}

func (l *link) WriteTo(b []byte, to net.Addr) (int, error) {
	if l.lost() {
		return len(b), nil
	}
	return l.PacketConn.WriteTo(b, to)
}

func TestLossIsRepaired(t *testing.T) {
	l, change := badLink(t)
	s := startServer(t, change)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "loss", "video=640x360")
	s.call(bob, "loss", "video=640x360")
	me := ann.talking(1).Me
	before := bob.talking(1).from(me)
	l.lose(0.05)
	// Each packet passes the link twice, so one in ten is lost.
	after := bob.wait(20*time.Second, "200 frames are decoded", func(s state) bool {
		return s.from(me).Decoded > before.Decoded+200
	}).from(me)
	l.lose(0)
	t.Logf("%d frames, %d NACKs, %d retransmitted packets came, %d packets lost for good, %d PLIs, %d freezes (%.2f s), %d dropped",
		after.Decoded-before.Decoded, after.NACKs-before.NACKs, after.Retransmitted-before.Retransmitted, after.Lost-before.Lost,
		after.PLIs-before.PLIs, after.Freezes-before.Freezes, after.Frozen-before.Frozen, after.Dropped-before.Dropped)
	if after.NACKs == before.NACKs || after.Retransmitted == before.Retransmitted {
		t.Error("nothing was asked for again, or nothing came")
	}
	if frozen := after.Frozen - before.Frozen; frozen > 3 {
		t.Errorf("the picture stood still for %.1f s", frozen)
	}
	snapshot, _ := s.room("loss")
	for _, p := range snapshot.Participants {
		for _, u := range p.Uplinks {
			if p.ID == me && u.RID == "h" && u.Recovered == 0 {
				t.Errorf("the server recovered nothing of the publisher's stream: %+v", u)
			}
		}
	}
}

func TestPathThatDiesComesBack(t *testing.T) {
	l, change := badLink(t)
	s := startServer(t, change)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "outage", "video=320x180")
	s.call(bob, "outage", "video=320x180")
	before := ann.talking(1)
	bob.talking(1)
	l.lose(1)
	ann.wait(15*time.Second, "the loss of the path is noticed", func(s state) bool { return s.Call == "reconnecting" })
	l.lose(0)
	after := ann.wait(20*time.Second, "the path is back", func(s state) bool { return s.Call == "connected" })
	if after.Me != before.Me || after.Counters.Rejoins != 0 {
		t.Errorf("ann had to join again: %+v", after.Counters)
	}
	ann.goesOn(15*time.Second, after)
	bob.talking(1)
}

func TestNewPathByICERestart(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	ann.knows(time.Second) // the roles of DTLS stay, either way round
	s.call(ann, "restart", "video=320x180")
	s.call(bob, "restart", "video=320x180")
	before := ann.talking(1)
	bob.talking(1)
	for n := 1; n <= 3; n++ {
		ann.run(`rivulet.call.restartICE()`)
		now := ann.wait(10*time.Second, "ICE was restarted", func(s state) bool {
			return s.Call == "connected" && s.Counters.ICERestarts == n && s.Counters.SDP == 2+2*n
		})
		ann.goesOn(10*time.Second, now)
	}
	after := bob.state()
	bob.goesOn(10*time.Second, after)
	if now := ann.state(); now.Me != before.Me || now.Counters.Rejoins != 0 || after.Counters.SDP != 2 {
		t.Errorf("ann %+v, bob %+v: want ann to restart ICE and nothing else", now.Counters, after.Counters)
	}
}

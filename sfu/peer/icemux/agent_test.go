package icemux

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/ice/v4"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
)

// agents connects a full ICE agent to a lite one that has nothing but our
// muxes, over real sockets on loopback.
func agents(t *testing.T, types []ice.NetworkType, udpMux ice.UDPMux, tcpMux ice.TCPMux) (server, client *ice.Conn, ufrag string) {
	t.Helper()
	onlyLoopback := func(ip net.IP) bool { return ip.IsLoopback() }
	agent := func(options ...ice.AgentOption) *ice.Agent {
		options = append(options, ice.WithNetworkTypes(types), ice.WithIPFilter(onlyLoopback), ice.WithIncludeLoopback(),
			ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled), ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}))
		a, err := ice.NewAgentWithOptions(options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.GracefulClose() })
		return a
	}
	options := []ice.AgentOption{ice.WithICELite(true)}
	if udpMux != nil {
		options = append(options, ice.WithUDPMux(udpMux))
	}
	if tcpMux != nil {
		options = append(options, ice.WithTCPMux(tcpMux))
	}
	s, c := agent(options...), agent()
	gathered := func(a *ice.Agent) (list []ice.Candidate) {
		done := make(chan struct{})
		if err := a.OnCandidate(func(candidate ice.Candidate) {
			if candidate == nil {
				close(done)
				return
			}
			list = append(list, candidate)
		}); err != nil {
			t.Fatal(err)
		}
		if err := a.GatherCandidates(); err != nil {
			t.Fatal(err)
		}
		<-done
		return list
	}
	for _, candidate := range gathered(s) {
		if err := c.AddRemoteCandidate(candidate); err != nil {
			t.Fatal(err)
		}
	}
	gathered(c) // the server learns the client's addresses from its requests
	su, sp, _ := s.GetLocalUserCredentials()
	cu, cp, _ := c.GetLocalUserCredentials()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	accepted := make(chan result, 1)
	go func() {
		conn, err := s.Accept(ctx, cu, cp)
		accepted <- result{conn, err}
	}()
	client, err := c.Dial(ctx, su, sp)
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.conn, client, su
}

type result struct {
	conn *ice.Conn
	err  error
}

// exchange sends packets both ways; flush lets the server's leave.
func exchange(t *testing.T, server, client *ice.Conn, flush func()) {
	t.Helper()
	b := make([]byte, 2000)
	for i := range 50 {
		up, down := rtp(96, 1, uint32(i), 1000), rtp(111, 2, uint32(i), 100)
		if _, err := client.Write(up); err != nil {
			t.Fatal(err)
		}
		if n, err := server.Read(b); err != nil || !bytes.Equal(b[:n], up) {
			t.Fatalf("up: %d bytes, %v", n, err)
		}
		if n, err := server.Write(down); n != len(down) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
		flush()
		if n, err := client.Read(b); err != nil || !bytes.Equal(b[:n], down) {
			t.Fatalf("down: %d bytes, %v", n, err)
		}
	}
}

func TestAgentOverUDP(t *testing.T) {
	testenv.Sockets(t)
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(listen, func(t *testing.T) {
			s, err := udp.Listen(netip.MustParseAddrPort(listen), udp.DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			m, err := NewUDP(UDPConfig{Sockets: []*udp.Socket{s}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
				if s := m.Stats(); s.BuffersInUse != 0 {
					t.Errorf("%+v", s)
				}
			})
			server, client, ufrag := agents(t, []ice.NetworkType{ice.NetworkTypeUDP4}, m, nil)
			exchange(t, server, client, func() {})
			batch := NewBatch(16)
			m.Bind(ufrag, batch)
			exchange(t, server, client, func() {
				if sent, failed := batch.Flush(); sent != 1 || failed != 0 {
					t.Fatalf("Flush = %d, %d", sent, failed)
				}
			})
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
			if s := m.Stats(); s.Sessions != 0 || s.Addresses != 0 {
				t.Fatalf("after the agent's end: %+v", s)
			}
		})
	}
}

func TestAgentOverTCP(t *testing.T) {
	testenv.Sockets(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewTCP(TCPConfig{Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if s := m.Stats(); s.BuffersInUse != 0 || s.Connections != 0 {
			t.Errorf("%+v", s)
		}
	})
	server, client, _ := agents(t, []ice.NetworkType{ice.NetworkTypeTCP4}, nil, m)
	exchange(t, server, client, func() {})
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if s := m.Stats(); s.Sessions != 0 {
		t.Fatalf("after the agent's end: %+v", s)
	}
}

package turn

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/turn/v5"
)

// Server is a running relay.
//
// Its goroutines: pion's reader for each UDP socket, listener, TCP connection and
// allocation, and one writer for each TCP connection. Close ends them all.
type Server struct {
	config      Config
	log         *slog.Logger
	policy      *policy
	pairs       *pairs
	gate        *gate
	quota       *quota
	connections *connections
	streams     streams
	counters    counters
	inner       *pion.Server

	closing  sync.Once
	closeErr error
}

// New starts a relay on the sockets in config, which are then the server's to
// close; if it fails they stay the caller's. It fails with what Validate finds.
func New(config Config, logger *slog.Logger) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config:      config,
		log:         logger,
		policy:      newPolicy(config.Peers),
		pairs:       newPairs(),
		quota:       newQuota(config.Limits),
		connections: newConnections(config.Limits),
	}
	s.gate = newGate(config, s.policy, s.pairs, &s.counters)
	settings := pion.ServerConfig{
		LoggerFactory:      &pionLog{log: logger},
		Realm:              config.Realm,
		AuthHandler:        s.authenticate,
		QuotaHandler:       s.withinQuota,
		AllocationLifetime: config.Lifetime,
		PermissionTimeout:  5 * time.Minute,  // RFC 8656 §9
		ChannelBindTimeout: 10 * time.Minute, // RFC 8656 §12
		// A client that comes over IPv6 and asks for no family gets an IPv6
		// relay from pion. That reaches nothing if no peer has IPv6.
		StrictAddressFamily: !s.policy.ipv6,
		EventHandler: pion.EventHandler{
			OnAuth:              s.onAuth,
			OnAllocationCreated: s.onCreated,
			OnAllocationDeleted: s.onDeleted,
		},
	}
	for _, conn := range config.UDP {
		settings.PacketConnConfigs = append(settings.PacketConnConfigs, pion.PacketConnConfig{
			PacketConn:            newDatagram(conn, s.gate, &s.counters),
			RelayAddressGenerator: generator{server: s},
			PermissionHandler:     s.permit,
		})
	}
	for _, inner := range config.TCP {
		settings.ListenerConfigs = append(settings.ListenerConfigs, pion.ListenerConfig{
			Listener:              newListener(inner, s),
			RelayAddressGenerator: generator{server: s, stream: true},
			PermissionHandler:     s.permit,
		})
	}
	inner, err := pion.NewServer(settings)
	if err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	s.inner = inner
	return s, nil
}

// IssueCredentials makes credentials under the server's own secret; see the
// function of the same name.
func (s *Server) IssueCredentials(now time.Time, id string, ttl time.Duration) (Credentials, error) {
	return IssueCredentials(now, s.config.Secret, id, ttl)
}

// Close ends every allocation and connection and closes the sockets. It may be
// called more than once.
func (s *Server) Close() error {
	s.closing.Do(func() {
		open := s.quota.close()
		if err := s.inner.Close(); err != nil {
			s.closeErr = fmt.Errorf("close relay: %w", err)
		}
		s.connections.close()
		for _, r := range open {
			_ = r.Close()
		}
	})
	return s.closeErr
}

// authenticate gives pion the key behind a username, at every Allocate, Refresh,
// CreatePermission and ChannelBind; so an expired credential refreshes nothing.
func (s *Server) authenticate(request *pion.RequestAttributes) (string, []byte, bool) {
	if request.Realm != s.config.Realm {
		s.counters.badUsername.Add(1)
		return "", nil, false
	}
	id, key, err := authorize(time.Now(), s.config.Secret, s.config.Realm, request.Username)
	switch {
	case errors.Is(err, errExpired):
		s.counters.expired.Add(1)
	case err != nil:
		s.counters.badUsername.Add(1)
	}
	return id, key, err == nil
}

// onAuth counts wrong passwords.
func (s *Server) onAuth(_, _ net.Addr, _, _, _, _ string, ok bool) {
	if !ok {
		s.counters.integrity.Add(1)
	}
}

// withinQuota lets pion answer 486 (Allocation Quota Reached); the generator
// enforces the same once more, without a gap between question and deed.
func (s *Server) withinQuota(user, _ string, _ net.Addr) bool {
	err := s.quota.room(user)
	s.countQuota(err)
	return err == nil
}

func (s *Server) countQuota(err error) {
	switch {
	case errors.Is(err, errQuota):
		s.counters.quota.Add(1)
	case errors.Is(err, errUserQuota):
		s.counters.userQuota.Add(1)
	}
}

// permit lets pion answer 403 (Forbidden) to permissions for a host that has no
// allowed port at all.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	addr, ok := netip.AddrFromSlice(peer)
	if ok && (s.policy.host(addr) || s.pairs.host(addr)) {
		return true
	}
	s.counters.peerRefused.Add(1)
	return false
}

func (s *Server) onCreated(client, local net.Addr, _, user, _ string, _ net.Addr, _ int) {
	s.gate.created(tupleOf(client, local), user)
}

func (s *Server) onDeleted(client, local net.Addr, _, _, _ string) {
	s.gate.deleted(tupleOf(client, local))
}

// tupleOf identifies an allocation by the addresses that pion was given.
func tupleOf(client, local net.Addr) tuple {
	remote := udpAddrPort(client)
	if tcp, ok := client.(*net.TCPAddr); ok && tcp != nil {
		remote = normalPort(tcp.AddrPort())
	}
	return tuple{local: local, remote: remote}
}

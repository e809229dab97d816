package turn

import "sync/atomic"

// Traffic is what passed one way.
type Traffic struct {
	Packets uint64
	Bytes   uint64 // of payload, without TURN, UDP and IP headers
}

// Stats is a snapshot of a Server. All but "now" figures only ever grow.
type Stats struct {
	// AllocationsNow and AllocationsTotal count relays opened.
	AllocationsNow   int
	AllocationsTotal uint64
	// ToPeers is what relays sent for clients, FromPeers what they received.
	ToPeers, FromPeers Traffic
	Refused            Refused
	Auth               AuthFailures
	Dropped            Dropped
	TCP                TCPStats
}

// Refused counts requests answered with an error, by reason.
type Refused struct {
	Quota        uint64 // allocations: all are taken
	UserQuota    uint64 // allocations: this user's are taken
	RelayFailed  uint64 // allocations: no socket to be had
	Unsupported  uint64 // allocations over TCP, reserved ports
	Peer         uint64 // permissions and channels to peers not on the list
	NoAllocation uint64 // refreshes and the like without an allocation
	WrongUser    uint64 // the allocation is somebody else's
}

// AuthFailures counts requests that claimed to be authenticated and were not,
// by reason. The first 401 of every allocation is no failure.
type AuthFailures struct {
	Username  uint64 // not of the form expiry:id, or another realm
	Expired   uint64
	Integrity uint64 // wrong password
}

// Dropped counts packets and frames that went nowhere, by reason.
type Dropped struct {
	Malformed   uint64 // from clients: neither STUN request nor ChannelData
	RateLimited uint64 // answers to the unproven beyond the limit
	ToPeer      uint64 // from clients, to an address or port not allowed
	FromPeer    uint64 // to a relay, from an address or port not allowed
	Oversized   uint64 // larger than a relayed packet can be
	SendErrors  uint64 // the kernel refused
	Stale       uint64 // media that waited too long for a TCP connection
	Overflow    uint64 // media for which a TCP connection's queue had no room
}

// TCPStats counts connections.
type TCPStats struct {
	Now          int
	Total        uint64 // accepted
	RefusedTotal uint64 // closed at once: too many in all
	RefusedPerIP uint64 // closed at once: too many from one address
	Unproven     uint64 // closed: no allocation in time
	Idle         uint64 // closed: nothing arrived
	Stalled      uint64 // closed: nothing was accepted, or answers not read
	Malformed    uint64 // closed: the stream is no TURN
	Limited      uint64 // closed: beyond the limit of answers to the unproven
}

// counters is where Stats come from; any goroutine adds to it.
type counters struct {
	allocations                     atomic.Uint64
	toPackets, toBytes              atomic.Uint64
	fromPackets, fromBytes          atomic.Uint64
	quota, userQuota, relayFailed   atomic.Uint64
	unsupported, peerRefused        atomic.Uint64
	noAllocation, wrongUser         atomic.Uint64
	badUsername, expired, integrity atomic.Uint64
	malformed, rateLimited          atomic.Uint64
	toPeer, fromPeer, oversized     atomic.Uint64
	sendErrors, stale, overflow     atomic.Uint64
	tcpTotal, tcpRefusedTotal       atomic.Uint64
	tcpRefusedPerIP, tcpUnproven    atomic.Uint64
	tcpIdle, tcpStalled             atomic.Uint64
	tcpMalformed, tcpLimited        atomic.Uint64
}

// Stats answers a snapshot; any goroutine may call it.
func (s *Server) Stats() Stats {
	c := &s.counters
	return Stats{
		AllocationsNow:   s.quota.inUse(),
		AllocationsTotal: c.allocations.Load(),
		ToPeers:          Traffic{Packets: c.toPackets.Load(), Bytes: c.toBytes.Load()},
		FromPeers:        Traffic{Packets: c.fromPackets.Load(), Bytes: c.fromBytes.Load()},
		Refused: Refused{
			Quota: c.quota.Load(), UserQuota: c.userQuota.Load(), RelayFailed: c.relayFailed.Load(),
			Unsupported: c.unsupported.Load(), Peer: c.peerRefused.Load(),
			NoAllocation: c.noAllocation.Load(), WrongUser: c.wrongUser.Load(),
		},
		Auth: AuthFailures{Username: c.badUsername.Load(), Expired: c.expired.Load(), Integrity: c.integrity.Load()},
		Dropped: Dropped{
			Malformed: c.malformed.Load(), RateLimited: c.rateLimited.Load(),
			ToPeer: c.toPeer.Load(), FromPeer: c.fromPeer.Load(), Oversized: c.oversized.Load(),
			SendErrors: c.sendErrors.Load(), Stale: c.stale.Load(), Overflow: c.overflow.Load(),
		},
		TCP: TCPStats{
			Now: s.connections.count(), Total: c.tcpTotal.Load(),
			RefusedTotal: c.tcpRefusedTotal.Load(), RefusedPerIP: c.tcpRefusedPerIP.Load(),
			Unproven: c.tcpUnproven.Load(), Idle: c.tcpIdle.Load(), Stalled: c.tcpStalled.Load(),
			Malformed: c.tcpMalformed.Load(), Limited: c.tcpLimited.Load(),
		},
	}
}

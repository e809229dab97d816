package node

// relayMetrics are there only on a node with a relay.
func relayMetrics() []metric {
	return []metric{
		{"rivulet_turn_allocations", "Relay allocations now.", gauge, "", true,
			func(s *snapshot) []sample { return number(s.relay.AllocationsNow) }},
		{"rivulet_turn_allocations_total", "Relay allocations made.", counter, "", true,
			func(s *snapshot) []sample { return number(s.relay.AllocationsTotal) }},
		{"rivulet_turn_relayed_packets_total", "Packets relayed, by direction: to this node's media port, or from it.", counter, "direction", true,
			func(s *snapshot) []sample {
				return []sample{reason("to_media", s.relay.ToPeers.Packets), reason("from_media", s.relay.FromPeers.Packets)}
			}},
		{"rivulet_turn_relayed_bytes_total", "Payload bytes relayed, by direction.", counter, "direction", true,
			func(s *snapshot) []sample {
				return []sample{reason("to_media", s.relay.ToPeers.Bytes), reason("from_media", s.relay.FromPeers.Bytes)}
			}},
		{"rivulet_turn_refused_requests_total", "Relay requests answered with an error, by reason.", counter, "reason", true,
			func(s *snapshot) []sample {
				r := s.relay.Refused
				return []sample{
					reason("quota", r.Quota), reason("user_quota", r.UserQuota), reason("relay_failed", r.RelayFailed),
					reason("unsupported", r.Unsupported), reason("peer", r.Peer),
					reason("no_allocation", r.NoAllocation), reason("wrong_user", r.WrongUser),
				}
			}},
		{"rivulet_turn_auth_failures_total", "Relay requests with credentials that were not accepted, by reason.", counter, "reason", true,
			func(s *snapshot) []sample {
				a := s.relay.Auth
				return []sample{reason("username", a.Username), reason("expired", a.Expired), reason("integrity", a.Integrity)}
			}},
		{"rivulet_turn_dropped_packets_total", "Packets at the relay that went nowhere, by reason.", counter, "reason", true,
			func(s *snapshot) []sample {
				d := s.relay.Dropped
				return []sample{
					reason("malformed", d.Malformed), reason("rate_limited", d.RateLimited), reason("to_peer", d.ToPeer),
					reason("from_peer", d.FromPeer), reason("oversized", d.Oversized), reason("send_error", d.SendErrors),
					reason("stale", d.Stale), reason("overflow", d.Overflow),
				}
			}},
		{"rivulet_turn_tcp_connections", "TCP connections to the relay now.", gauge, "", true,
			func(s *snapshot) []sample { return number(s.relay.TCP.Now) }},
		{"rivulet_turn_tcp_connections_total", "TCP connections to the relay accepted.", counter, "", true,
			func(s *snapshot) []sample { return number(s.relay.TCP.Total) }},
		{"rivulet_turn_tcp_closed_total", "TCP connections that the relay closed, by reason.", counter, "reason", true,
			func(s *snapshot) []sample {
				t := s.relay.TCP
				return []sample{
					reason("too_many", t.RefusedTotal), reason("too_many_from_address", t.RefusedPerIP),
					reason("unproven", t.Unproven), reason("idle", t.Idle), reason("stalled", t.Stalled),
					reason("malformed", t.Malformed), reason("rate_limited", t.Limited),
				}
			}},
	}
}

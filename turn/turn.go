// Package turn is the relay beside the SFU (RFC 8656): clients whose network
// lets no other traffic through reach this node's own media addresses by it, over
// UDP, TCP or TLS.
//
// It decides who may allocate a relay (time-limited credentials and quotas),
// to which peers a relay may speak (a closed list, empty by default, and the
// relays of its own pair), and how
// much it answers to whom has proved nothing (a bucket for each address).
// Protocol handling is pion/turn's. Input are sockets, all of them from Config,
// so that the whole server also runs in memory; output are packets on those
// sockets and Stats. It imports nothing of the SFU.
//
// The way of a packet, with what this package adds in capitals:
//
//	UDP  socket    -> DATAGRAM -> GATE -> pion -> RELAY -> relay socket -> peer
//	TCP  LISTENER  -> STREAM   -> GATE -> pion -> RELAY -> relay socket -> peer
//	peer -> relay socket -> RELAY -> pion -> DATAGRAM or STREAM QUEUE -> client
//
//	listener  caps connections in total and for each address
//	stream    cuts TCP into frames, bounds them, sets deadlines; its queue
//	          drops media that waited too long, and never blocks the relay
//	gate      drops what is no TURN, answers 403, 437, 441 and 442 where pion is
//	          silent or wrong, limits answers to the unauthenticated
//	relay     enforces the peer's address and port both ways, quota, age
//
// Formats: STUN (RFC 8489) and ChannelData (RFC 8656 §12.4) on UDP; the same on
// TCP with ChannelData padded to four bytes (§12.5). Credentials have the form
// of draft-uberti-behave-turn-rest-00, which coturn and browsers' back ends know.
// TCP allocations (RFC 6062) and reserved ports are not offered.
package turn

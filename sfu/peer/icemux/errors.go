package icemux

import "errors"

var (
	errAddress = errors.New("icemux: not an IP address with a port")
	// errNotListening answers a request for a connection at an address that
	// none of the sockets has.
	errNotListening = errors.New("icemux: no socket at that address")
)

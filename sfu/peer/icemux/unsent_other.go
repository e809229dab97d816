//go:build !linux

package icemux

import "net"

// limitUnsent is for Linux alone.
func limitUnsent(net.Conn, int) {}

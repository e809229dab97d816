//go:build !linux

package turn

import "net"

// limitUnsent does nothing where the option is not the same: media may then wait
// in the kernel's buffer beyond the queue's limit.
func limitUnsent(net.Conn, int) {}

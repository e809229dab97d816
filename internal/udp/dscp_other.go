//go:build !linux

package udp

import (
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// setDSCP marks both families; on a socket of one family the other call fails,
// and one success is enough.
func setDSCP(conn *net.UDPConn, dscp uint8) error {
	if dscp == 0 {
		return nil
	}
	class := int(dscp) << 2 // RFC 2474 §3: the upper six bits; ECN stays 0
	err4 := ipv4.NewConn(conn).SetTOS(class)
	err6 := ipv6.NewConn(conn).SetTrafficClass(class)
	if err4 != nil && err6 != nil {
		return fmt.Errorf("set dscp %d: %w", dscp, err4)
	}
	return nil
}

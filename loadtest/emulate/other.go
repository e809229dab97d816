//go:build !linux

package emulate

import (
	"context"
	"net/netip"
	"os"
)

// UDP is a UDP proxy, which there is none of on this system.
type UDP struct{}

// OpenUDP answers ErrUnsupported.
func OpenUDP(UDPConfig) (*UDP, error) { return nil, ErrUnsupported }

// Addr answers the zero value.
func (*UDP) Addr() netip.AddrPort { return netip.AddrPort{} }

// Rebind does nothing.
func (*UDP) Rebind() {}

// Run answers ErrUnsupported.
func (*UDP) Run(context.Context) (Report, error) { return Report{}, ErrUnsupported }

// Close does nothing.
func (*UDP) Close() {}

// CheckTUN answers ErrUnsupported.
func CheckTUN() (userNamespace bool, err error) { return false, ErrUnsupported }

// InUserNamespace answers ErrUnsupported.
func InUserNamespace(context.Context, []string, <-chan os.Signal) (status int, err error) {
	return 0, ErrUnsupported
}

// Inside answers what it was given.
func Inside(ctx context.Context) (context.Context, <-chan os.Signal) { return ctx, nil }

// RunTUN answers ErrUnsupported.
func RunTUN(context.Context, TUNConfig) (Report, error) { return Report{}, ErrUnsupported }

package emulate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	deviceName = "rivulet0"
	// deviceQueue is how many packets the system keeps before we read them:
	// enough that it never drops any; the link's queue is the one that counts.
	deviceQueue = 10_000
)

// device is a TUN device: an end of the link within a namespace. It vanishes
// when it is closed.
type device struct {
	fd       int // of /dev/net/tun
	control  int // a socket in the namespace, for settings
	control6 int
	index    int32
	buffer   []byte

	// Where packets read here go.
	direction Direction
	way       *way
	other     *device
}

// openDevice makes a device. It must run in the namespace, and needs
// CAP_NET_ADMIN there.
func openDevice(mtu int) (_ *device, err error) {
	d := &device{fd: -1, control: -1, control6: -1, buffer: make([]byte, largeBuffer)}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.fd, err = unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open %s: %w", tunPath, err)
	}
	request, err := unix.NewIfreq(deviceName)
	if err != nil {
		return nil, err
	}
	// No packet information: packets begin with their IP header.
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err = unix.IoctlIfreq(d.fd, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("make a TUN device: %w", err)
	}
	if d.control, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	// Without IPv6 in the system there is just none on the link.
	if d.control6, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		d.control6 = -1
	}
	if err = d.set(deviceName, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(uint32(mtu)); return nil }); err != nil {
		return nil, err
	}
	// The right to do this does not exist in user namespaces. What the system
	// then drops is counted.
	_ = d.set(deviceName, unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(deviceQueue); return nil })
	for _, name := range []string{"lo", deviceName} {
		// Where there are no neighbours no address is tried out for a second
		// (RFC 4862 §5.4), after which browsers see the network change and give
		// up what they are loading.
		up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_NOARP); return nil }
		if err = d.set(name, unix.SIOCSIFFLAGS, up); err != nil {
			return nil, err
		}
	}
	if request, err = unix.NewIfreq(deviceName); err != nil {
		return nil, err
	}
	if err = unix.IoctlIfreq(d.control, unix.SIOCGIFINDEX, request); err != nil {
		return nil, fmt.Errorf("index of %s: %w", deviceName, err)
	}
	d.index = int32(request.Uint32())
	return d, nil
}

// set changes one setting of an interface.
func (d *device) set(name string, request uint, value func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := value(r); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(d.control, request, r); err != nil {
		return fmt.Errorf("set up %s (request %#x): %w", name, request, err)
	}
	return nil
}

// assign gives the device its only IPv4 address, in a network of 256, and a
// route for everything else.
func (d *device) assign(a netip.Addr) error {
	address := func(r *unix.Ifreq) error { return r.SetInet4Addr(a.AsSlice()) }
	if err := d.set(deviceName, unix.SIOCSIFADDR, address); err != nil {
		return err
	}
	mask := func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }
	if err := d.set(deviceName, unix.SIOCSIFNETMASK, mask); err != nil {
		return err
	}
	return d.route()
}

// rtentry is struct rtentry of linux/route.h.
type rtentry struct {
	_                 uintptr
	dst, gateway, net unix.RawSockaddrInet4
	flags             uint16
	_                 int16
	_                 uintptr
	_                 uintptr
	metric            int16
	dev               *byte
	mtu, window       uintptr
	irtt              uint16
}

// route sends everything without a better route through the device.
func (d *device) route() error {
	name := append([]byte(deviceName), 0)
	r := &rtentry{flags: unix.RTF_UP, dev: &name[0]}
	for _, a := range []*unix.RawSockaddrInet4{&r.dst, &r.gateway, &r.net} {
		a.Family = unix.AF_INET
	}
	if err := ioctl(d.control, unix.SIOCADDRT, unsafe.Pointer(r)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

// in6Ifreq is struct in6_ifreq of linux/ipv6.h.
type in6Ifreq struct {
	address [16]byte
	prefix  uint32
	index   int32
}

// in6Route is struct in6_rtmsg of linux/ipv6_route.h.
type in6Route struct {
	dst, src, gateway [16]byte
	kind              uint32
	dstLen, srcLen    uint16
	metric            uint32
	info              uintptr
	flags             uint32
	index             int32
}

// assign6 adds an IPv6 address in a network of 2^64 and a route for everything
// else; after, unless it is the zero value, it takes the old one away.
func (d *device) assign6(a, before netip.Addr) error {
	if d.control6 < 0 {
		return unix.EAFNOSUPPORT
	}
	request := &in6Ifreq{a.As16(), 64, d.index}
	if err := ioctl(d.control6, unix.SIOCSIFADDR, unsafe.Pointer(request)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address %v: %w", a, err)
	}
	if before.IsValid() {
		old := &in6Ifreq{before.As16(), 64, d.index}
		if err := ioctl(d.control6, unix.SIOCDIFADDR, unsafe.Pointer(old)); err != nil {
			return fmt.Errorf("remove address %v: %w", before, err)
		}
	}
	r := &in6Route{metric: 1024, flags: unix.RTF_UP, index: d.index}
	if err := ioctl(d.control6, unix.SIOCADDRT, unsafe.Pointer(r)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// read takes packets that the namespace's programs send.
func (d *device) read(c *carrier) {
	for range batch {
		n, err := unix.Read(d.fd, d.buffer)
		if err != nil || n <= 0 {
			return
		}
		h, ok := parseHeader(d.buffer[:n])
		if !ok || h.local {
			continue
		}
		c.offer(time.Now(), d.way, d.direction, d.buffer[:n], units.Size(n), h.ect, d.other)
	}
}

// write hands a packet that has arrived to the namespace.
func (d *device) write(packet []byte) bool {
	_, err := unix.Write(d.fd, packet)
	return err == nil
}

// overrun answers how many packets the system dropped because they were not read
// in time. It must run in the namespace.
func overrun() uint64 {
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		name, numbers, _ := strings.Cut(line, ":")
		// proc(5): eight numbers of receiving, then bytes, packets, errors and
		// drops of sending.
		fields := strings.Fields(numbers)
		if strings.TrimSpace(name) == deviceName && len(fields) > 11 {
			n, _ := strconv.ParseUint(fields[11], 10, 64)
			return n
		}
	}
	return 0
}

func (d *device) close() {
	closeAll(d.fd, d.control, d.control6)
	d.fd, d.control, d.control6 = -1, -1, -1
}

package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:7")
	there = netip.MustParseAddrPort("192.0.2.2:7")
)

func messages(addr netip.AddrPort, sizes ...int) (ms []Message) {
	for _, size := range sizes {
		ms = append(ms, Message{Buffer: make([]byte, size), N: size, Addr: addr})
	}
	return ms
}

func TestRunsThatCanBeSegmented(t *testing.T) {
	many := make([]int, 100)
	for i := range many {
		many[i] = 1200
	}
	for _, c := range []struct {
		name string
		ms   []Message
		want int
	}{
		{"one", messages(here, 100), 1},
		{"equal", messages(here, 100, 100, 100), 3},
		{"shorter last", messages(here, 100, 100, 40, 40), 3},
		{"longer next", messages(here, 100, 101), 1},
		{"empty first", messages(here, 0, 0), 1},
		{"empty next", messages(here, 100, 0), 1},
		{"other address", append(messages(here, 100, 100), messages(there, 100)...), 2},
		{"bounded in bytes", messages(here, many...), maxSegmented / 1200},
		{"bounded in number", messages(here, make100(80)...), maxSegments},
	} {
		if got := runLength(c.ms); got != c.want {
			t.Errorf("%s: run of %d, want %d", c.name, got, c.want)
		}
	}
}

func make100(size int) []int {
	sizes := make([]int, 100)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func TestKernelAddressesRoundTrip(t *testing.T) {
	for _, c := range []struct {
		addr   string
		family int
		want   string // "" when that family cannot reach it
	}{
		{"192.0.2.1:4660", unix.AF_INET, "192.0.2.1:4660"},
		{"[::ffff:192.0.2.1]:1", unix.AF_INET, "192.0.2.1:1"},
		{"192.0.2.1:4660", unix.AF_INET6, "192.0.2.1:4660"},
		{"[2001:db8::1]:65535", unix.AF_INET6, "[2001:db8::1]:65535"},
		{"[fe80::1%3]:9", unix.AF_INET6, "[fe80::1%3]:9"},
		{"[2001:db8::1]:9", unix.AF_INET, ""},
	} {
		var s sockaddr
		length := s.encode(netip.MustParseAddrPort(c.addr), c.family)
		if c.want == "" {
			if length != 0 {
				t.Errorf("%s was encoded for family %d", c.addr, c.family)
			}
			continue
		}
		if got := s.decode().String(); length == 0 || got != c.want {
			t.Errorf("%s over family %d came back as %s", c.addr, c.family, got)
		}
	}
	var s sockaddr
	if s.encode(netip.AddrPort{}, unix.AF_INET6) != 0 || s.encode(netip.AddrPort{}, unix.AF_INET) != 0 {
		t.Error("no address was encoded")
	}
	s.Family = unix.AF_UNIX
	if s.decode().IsValid() {
		t.Error("an address of a strange family was decoded")
	}
}

// groControl builds the control data the kernel attaches to a coalesced message.
func groControl(size int32) []byte {
	control := make([]byte, controlSpace)
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	header.Level, header.Type = unix.SOL_UDP, unix.UDP_GRO
	header.SetLen(unix.CmsgLen(4))
	binary.NativeEndian.PutUint32(control[unix.CmsgLen(0):], uint32(size))
	return control
}

// fill puts a message into a receiver as recvmmsg would.
func (r *receiver) fill(i int, from netip.AddrPort, data []byte, control []byte) {
	copy(r.buffers[i], data)
	r.headers[i].Len = uint32(len(data))
	r.names[i].encode(from, unix.AF_INET)
	copy(r.control[i][:], control)
	r.headers[i].Hdr.SetControllen(len(control))
}

func TestCoalescedMessagesAreDealtOut(t *testing.T) {
	var counts counters
	r := newReceiver(nil, &counts, true)
	r.fill(0, here, []byte("aaaabbbbcc"), groControl(4))
	r.fill(1, there, []byte("single"), nil)
	r.fill(2, here, nil, nil)
	r.next, r.filled = 0, 3
	r.open()

	var got []string
	ms := []Message{{Buffer: make([]byte, 16)}, {Buffer: make([]byte, 16)}}
	for {
		n := r.deal(ms)
		if n == 0 {
			break
		}
		for _, m := range ms[:n] {
			got = append(got, m.Addr.Addr().String()+" "+string(m.Buffer[:m.N]))
		}
	}
	want := []string{"192.0.2.1 aaaa", "192.0.2.1 bbbb", "192.0.2.1 cc", "192.0.2.2 single", "192.0.2.1 "}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if counts.readCoalesced.Load() != 3 || counts.readDatagrams.Load() != 5 {
		t.Fatalf("counted %d coalesced of %d", counts.readCoalesced.Load(), counts.readDatagrams.Load())
	}
}

func TestCoalescedDatagramThatDoesNotFit(t *testing.T) {
	var counts counters
	r := newReceiver(nil, &counts, true)
	r.fill(0, here, []byte("aaaabbbb"), groControl(4))
	r.next, r.filled = 0, 1
	r.open()
	ms := []Message{{Buffer: make([]byte, 3)}, {Buffer: make([]byte, 4)}}
	if n := r.deal(ms); n != 2 || ms[0].N != 0 || ms[1].N != 4 {
		t.Fatalf("dealt %d: %d and %d bytes", n, ms[0].N, ms[1].N)
	}
	if counts.readTruncated.Load() != 1 {
		t.Fatal("the datagram that did not fit was not counted")
	}
}

func FuzzSegmentSize(f *testing.F) {
	f.Add(groControl(1200), controlSpace)
	f.Add(groControl(-1), 20)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, control []byte, length int) {
		if len(control) == 0 && length > 0 {
			control = make([]byte, controlSpace)
		}
		segmentSize(control, length) // must not panic or read out of bounds
	})
}

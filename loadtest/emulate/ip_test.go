package emulate

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// checksum is RFC 1071 over an IPv4 header, which is 0 over a correct one.
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func v4(tos byte, to string) []byte {
	p := make([]byte, 28)
	p[0], p[1], p[8], p[9] = 0x45, tos, 64, 17
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[12:], []byte{10, 99, 0, 2})
	copy(p[16:], netip.MustParseAddr(to).AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(p[:20]))
	return p
}

func v6(class byte, from, to string) []byte {
	p := make([]byte, 48)
	p[0], p[1] = 0x60|class>>4, class<<4
	copy(p[8:], netip.MustParseAddr(from).AsSlice())
	copy(p[24:], netip.MustParseAddr(to).AsSlice())
	return p
}

func TestParseHeader(t *testing.T) {
	tests := []struct {
		name   string
		packet []byte
		want   header
		ok     bool
	}{
		{"nothing", nil, header{}, false},
		{"short IPv4", v4(0, "10.99.0.1")[:19], header{}, false},
		{"short IPv6", v6(0, "fd99::2", "fd99::1")[:39], header{}, false},
		{"IPv4 header of 16 bytes", append([]byte{0x44}, make([]byte, 30)...), header{}, false},
		{"version 5", append([]byte{0x55}, make([]byte, 60)...), header{}, false},
		{"IPv4", v4(0, "10.99.0.1"), header{}, true},
		{"IPv4 ECT(0), DSCP 46", v4(46<<2|2, "10.99.0.1"), header{ect: true}, true},
		{"IPv4 ECT(1)", v4(1, "10.99.0.1"), header{ect: true}, true},
		{"IPv4 DSCP alone", v4(46<<2, "10.99.0.1"), header{}, true},
		{"mDNS", v4(0, "224.0.0.251"), header{local: true}, true},
		{"multicast of wider scope", v4(0, "239.1.2.3"), header{}, true},
		{"IPv6", v6(0, "fd99::2", "fd99::1"), header{}, true},
		{"IPv6 ECT(0)", v6(46<<2|2, "fd99::2", "fd99::1"), header{ect: true}, true},
		{"router solicitation", v6(0, "fe80::1", "ff02::2"), header{local: true}, true},
	}
	for _, test := range tests {
		got, ok := parseHeader(test.packet)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

// TestMarkCE: RFC 3168 §5 sets both bits; RFC 1624 keeps the checksum right.
func TestMarkCE(t *testing.T) {
	for tos := range 256 {
		p := v4(byte(tos), "10.99.0.1")
		markCE(p)
		if p[1] != byte(tos)|3 {
			t.Fatalf("TOS %#x became %#x", tos, p[1])
		}
		if sum := checksum(p[:20]); sum != 0 {
			t.Fatalf("TOS %#x: the checksum is off by %#x", tos, sum)
		}
		q := v6(byte(tos), "fd99::2", "fd99::1")
		markCE(q)
		if class := q[0]<<4 | q[1]>>4; class != byte(tos)|3 || q[0]>>4 != 6 || q[1]&0xf != 0 {
			t.Fatalf("traffic class %#x became %#x", tos, class)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add(v4(2, "10.99.0.1"))
	f.Add(v6(1, "fd99::2", "fd99::1"))
	f.Add([]byte{0x45})
	f.Add([]byte{0x60, 0x20})
	f.Fuzz(func(t *testing.T, p []byte) {
		h, ok := parseHeader(p)
		if !ok {
			return
		}
		if h.ect {
			markCE(p)
			again, ok := parseHeader(p)
			if !ok || again != h {
				t.Fatalf("marking made %+v of %+v", again, h)
			}
		}
	})
}

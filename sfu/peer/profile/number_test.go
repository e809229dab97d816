package profile

import "testing"

func TestNumber(t *testing.T) {
	const before = "v=0\r\na=ssrc-group:FID 7 8\r\na=ssrc-group:X\r\na=ssrc:7 cname:7\r\na=ssrc:8\r\na=ssrc:9 cname:a\r\na=ssrc:x\r\nb=7\r\n"
	const after = "v=0\r\na=ssrc-group:FID 100 101\r\na=ssrc-group:X\r\na=ssrc:100 cname:7\r\na=ssrc:101\r\na=ssrc:9 cname:a\r\na=ssrc:x\r\nb=7\r\n"
	if got := Number(before, map[uint32]uint32{7: 100, 8: 101}); got != after {
		t.Errorf("%q", got)
	}
	if got := Number(before, nil); got != before {
		t.Errorf("%q", got)
	}
}

func TestStreamsHaveNumbersOfTheirOwn(t *testing.T) {
	for range 100 {
		first := FirstStream()
		if last := Stream(first, 200); first == 0 || last < first || last-first != 600 {
			t.Fatalf("%d to %d", first, last)
		}
	}
}

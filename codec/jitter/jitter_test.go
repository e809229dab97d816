package jitter

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

func fresh(t testing.TB) *Buffer {
	t.Helper()
	b, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"negative":  func(c *Config) { c.MinDelay = -1 },
		"reversed":  func(c *Config) { c.MaxDelay = c.MinDelay - 1 },
		"too long":  func(c *Config) { c.MaxDelay = 2 * time.Second },
		"initially": func(c *Config) { c.InitialDelay = time.Second },
		"NaN":       func(c *Config) { c.Quantile = math.NaN() },
		"all":       func(c *Config) { c.Quantile = 1 },
		"forgetful": func(c *Config) { c.Memory = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if b, err := New(c); err == nil || b != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVerdicts(t *testing.T) {
	b := fresh(t)
	now := time.Unix(7, 0)
	push := func(name string, want Verdict, p Packet) {
		t.Helper()
		if got := b.Push(now, p); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	voice := voiced(1, false)
	push("first", Accepted, Packet{10, 10 * step, voice, false})
	push("again", Duplicate, Packet{10, 10 * step, voice, false})
	push("copy of it", Duplicate, Packet{11, 10 * step, voice, true})
	push("out of order", Accepted, Packet{9, 9 * step, voice, false})
	push("copy", Accepted, Packet{13, 12 * step, voice, true})
	push("what it was a copy of", Duplicate, Packet{12, 12 * step, voice, false})
	push("nothing", Padding, Packet{11, 11 * step, nil, false})
	push("rubbish", Malformed, Packet{14, 14 * step, []byte{3}, false})
	push("too long", Malformed, Packet{14, 14 * step, append(voiced(1, false), make([]byte, MaxPayload)...), false})
	push("a leap", Unsettled, Packet{15, 1 << 30, voice, false})
	push("by a copy", Unsettled, Packet{16, 1<<30 + step, voice, true})
	push("and back", Accepted, Packet{17, 15 * step, voice, false})
	push("a leap", Unsettled, Packet{18, 1 << 30, voice, false})
	push("somewhere else", Unsettled, Packet{19, 1 << 29, voice, false})
	push("there it goes on", Accepted, Packet{20, 1<<29 + step, voice, false})
	s := b.Stats()
	if s.Accepted != 5 || s.Recovered != 1 || s.Duplicate != 3 || s.Padding != 1 || s.Malformed != 2 || s.Unsettled != 4 || s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
	now = now.Add(time.Second)
	if f := b.Pop(now); f.Kind != Play || f.Timestamp != 1<<29+step {
		t.Errorf("%+v", f)
	}
	push("before it", Late, Packet{19, 1 << 29, voice, false})
}

// Half a minute, or an hour, of nothing is a long silence: the first word after
// it is heard.
func TestLongSilence(t *testing.T) {
	for _, pause := range []time.Duration{30 * time.Second, time.Hour} {
		b := fresh(t)
		now := time.Unix(7, 0)
		b.Push(now, Packet{1, 500, voiced(1, false), false})
		b.Push(now.Add(20*ms), Packet{2, 500 + step, []byte{speech}, false})
		for i := range 10 {
			b.Pop(now.Add(time.Duration(60+20*i) * ms))
		}
		now = now.Add(pause)
		if v := b.Push(now, Packet{3, 500 + uint32(pause/ms*48), voiced(1, false), false}); v != Accepted {
			t.Fatalf("after %v: %d", pause, v)
		}
		for b.Pop(now).Kind != Play {
			if now = now.Add(20 * ms); b.Stats().Concealed > 0 || b.Stats().Silent > time.Second {
				t.Fatalf("after %v: %+v", pause, b.Stats())
			}
		}
	}
}

// Padding takes sequence numbers and is no loss.
func TestPaddingIsNoLoss(t *testing.T) {
	b := fresh(t)
	now := time.Unix(7, 0)
	b.Push(now, Packet{1, 0, voiced(1, false), false})
	b.Push(now, Packet{2, step, nil, false})
	b.Push(now, Packet{3, 3 * step, voiced(1, false), false})
	now = now.Add(100 * ms)
	for played := 0; played < 2; now = now.Add(10 * ms) {
		switch b.Pop(now).Kind {
		case Play:
			played++
		case Conceal:
			t.Fatal("padding was concealed")
		}
	}
}

// A buffer that nobody plays from keeps the newest.
func TestOverflow(t *testing.T) {
	b := fresh(t)
	now := time.Unix(7, 0)
	for i := range 300 {
		b.Push(now, Packet{uint16(i), uint32(i * step), voiced(1, false), false})
		now = now.Add(20 * ms)
	}
	if s := b.Stats(); s.Overflows != 300-capacity || s.Accepted != 300 {
		t.Errorf("%+v", s)
	}
	if f := b.Pop(now); f.Kind != Play || f.Timestamp < 295*step {
		t.Errorf("%+v", f)
	}
}

// FuzzBuffer does anything in any order: what comes out is in order, once, and
// no slot is lost.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 1, 20, 0, 1, 1, 20, 9, 0, 1, 1, 9, 9, 9})
	f.Add([]byte{0, 1, 1, 20, 4, 200, 200, 0, 9, 0, 1, 1, 60, 1, 3, 3, 9, 5, 9, 9})
	f.Add([]byte{7, 0, 0, 1, 7, 0, 0, 1, 9, 255, 8, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		b := fresh(t)
		now, o := time.Unix(7, 0), observer{t: t}
		sequence, timestamp := uint16(65533), uint32(origin)
		for len(ops) >= 4 {
			op := ops[0]
			sequence += uint16(int8(ops[1]))
			timestamp += uint32(int32(int8(ops[2])) * step / 8)
			now = now.Add(time.Duration(ops[3]) * ms / 2)
			ops = ops[4:]
			p := Packet{sequence, timestamp, voiced(1+int(op>>3)%6, op&1 != 0), op&2 != 0}
			restarts := b.stats.Restarts
			switch op & 7 {
			case 4:
				p.Payload = []byte{op | 3, ops0(ops)}
			case 5:
				p.Payload = []byte{speech}
			case 6:
				p.Timestamp = binary.BigEndian.Uint32(append([]byte{op, 1, 2, 3}, ops...))
			case 7:
				p.Payload = nil
			}
			b.Push(now, p)
			if b.stats.Restarts != restarts {
				o = observer{t: t}
			}
			for range op >> 6 {
				frame := b.Pop(now)
				o.check(frame)
				now = now.Add(frame.Duration)
			}
			held := 0
			if b.held >= 0 {
				held = 1
			}
			if b.count+held+len(b.free) != len(b.slots) {
				t.Fatalf("%d in order, %d held, %d free", b.count, held, len(b.free))
			}
			for i := 1; i < b.count; i++ {
				if b.slots[b.order[i-1]].at >= b.slots[b.order[i]].at {
					t.Fatal("out of order")
				}
			}
		}
	})
}

func ops0(ops []byte) byte {
	if len(ops) == 0 {
		return 0
	}
	return ops[0]
}

// run is a steady call: a packet and a frame every 20 ms, a tenth lost.
func run(b *Buffer) func() {
	payload, now, i := voiced(1, true), time.Unix(7, 0), 0
	return func() {
		if i%10 != 3 {
			b.Push(now, Packet{uint16(i), uint32(i * step), payload, false})
		}
		b.Pop(now.Add(10 * ms))
		now, i = now.Add(20*ms), i+1
	}
}

func TestNoAllocations(t *testing.T) {
	one := run(fresh(t))
	for range 500 {
		one()
	}
	if n := testing.AllocsPerRun(500, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPushPop(b *testing.B) {
	one := run(fresh(b))
	for range 500 {
		one()
	}
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

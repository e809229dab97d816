package full_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/full"
)

func TestZZ(t *testing.T) {
	name := os.Getenv("ZZ")
	if name == "" {
		t.Skip()
	}
	all, _ := lab.Suite("calls")
	step := 500 * time.Millisecond
	until := 20
	if v, err := strconv.Atoi(os.Getenv("ZZT")); err == nil {
		until = v
	}
	for _, s := range all {
		if s.Name != name {
			continue
		}
		p, err := full.FromCall(s, 1)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := full.RunCall(t, p, adapter)
		if err != nil {
			t.Fatal(err)
		}
		for i, person := range rec.People {
			fmt.Println("==", i, "ready", person.Ready, "joined", person.Joined, "connected", person.Connected, person.Failed)
			if i != 1 && os.Getenv("ZZP") == "" {
				continue
			}
			for at := time.Duration(0); at < time.Duration(until)*time.Second; at += step {
				line := fmt.Sprintf("%6.1f", at.Seconds())
				for _, dir := range [][]lab.PacketRecord{person.Up, person.Down} {
					bytes, voice, n := 0, 0, 0
					var wait time.Duration
					lost := 0
					for _, r := range dir {
						if r.Sent < at || r.Sent >= at+step {
							continue
						}
						bytes += int(r.Size)
						if r.Voice {
							voice += int(r.Size)
							n++
						}
						wait = max(wait, r.Waited)
						if r.Drop != 0 {
							lost++
						}
					}
					line += fmt.Sprintf(" | %5.1f kb voice %5.1f (%2d) q %5d lost %d", float64(bytes)*16/1000, float64(voice)*16/1000, n, wait.Milliseconds(), lost)
				}
				heard := map[lab.HeardKind]int{}
				for _, h := range person.Heard {
					if h.At >= at && h.At < at+step {
						heard[h.Kind] += int(h.Length.Milliseconds())
					}
				}
				spoken, ns := 0, 0
				for _, sp := range person.Spoken {
					if sp.At >= at && sp.At < at+step {
						spoken += int(sp.Size)
						ns++
					}
				}
				fmt.Println(line, heard, "spoken", spoken*16/1000, ns)
			}
			for _, st := range person.States {
				if st.At%(1*time.Second) < 200*time.Millisecond && st.At < time.Duration(until)*time.Second && os.Getenv("ZZS") != "" {
					fmt.Printf("%+v\n", st)
				}
			}
		}
	}
}

package loadtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// inMemory runs do with a fleet's configuration for a whole server in memory.
func inMemory(t *testing.T, do func(t *testing.T, cfg loadtest.Config)) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(memnet.Config{})
		host := network.Host(netip.MustParseAddr("10.0.0.1"))
		conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
		if err != nil {
			t.Fatal(err)
		}
		engineConfig := sfu.DefaultConfig()
		engineConfig.Sockets, engineConfig.Net, engineConfig.Workers = []*udp.Socket{udp.Wrap(conn)}, host, 1
		engine, err := sfu.New(engineConfig)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := host.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: ws.New(engine, ws.Config{})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()

		cfg := loadtest.DefaultConfig()
		cfg.URL = "http://10.0.0.1/"
		var mu sync.Mutex
		clients := byte(0)
		cfg.Network = func(string) (transport.Net, *http.Client) {
			mu.Lock()
			defer mu.Unlock()
			clients++
			h := network.Host(netip.AddrFrom4([4]byte{10, 0, 1, clients}))
			return h, &http.Client{Transport: &http.Transport{DialContext: h.DialContext}}
		}
		do(t, cfg)

		if err := engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
		if n := engine.Stats().Media.BuffersInUse; n != 0 {
			t.Errorf("%d packet buffers outlived their rooms", n)
		}
		if err := errors.Join(server.Close()); err != nil {
			t.Error(err)
		}
		<-served
		network.Close()
	})
}

func TestFleetInMemory(t *testing.T) {
	for name, change := range map[string]func(*loadtest.Config){
		"voice and video": func(c *loadtest.Config) { c.Rooms, c.Subscribers = 2, 3 },
		"simulcast":       func(c *loadtest.Config) { c.Subscribers, c.Layers = 2, 3 },
		"voice only":      func(c *loadtest.Config) { c.Publishers, c.Subscribers, c.Video = 2, 2, loadtest.NoVideo },
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, cfg loadtest.Config) {
				cfg.Duration = 10 * time.Second
				lines := 0
				cfg.Progress = func(p loadtest.Progress) {
					lines++
					if len(p.String()) < 40 {
						t.Errorf("the progress line is %q", p)
					}
				}
				change(&cfg)
				r := run(t, cfg)
				want := cfg.Rooms * (cfg.Publishers + cfg.Subscribers)
				if r.Clients.Connected != want || r.Clients.Failed != 0 || r.Problem != "" {
					t.Fatalf("%+v, %s; want %d clients", r.Clients, r.Problem, want)
				}
				p := r.Packets
				if p.Lost != 0 || p.LossRatio != 0 || p.Unknown != 0 || p.Overload != 0 {
					t.Errorf("%+v; want nothing lost or unknown", p)
				}
				// Each publisher sends 50 packets of voice a second to everybody
				// else, but for the first second or so, in which it is a third of that.
				least := uint64(9 * 50 * cfg.Rooms * cfg.Publishers * (cfg.Publishers + cfg.Subscribers - 1))
				if p.Received < least || p.Sent == 0 {
					t.Errorf("%d packets came, the voice alone is %d; %d sent", p.Received, least, p.Sent)
				}
				if r.OneWay.Count == 0 || r.OneWay.P50 < 10 || r.OneWay.P50 > 60 {
					t.Errorf("one way takes %+v ms, want the 10 of the network and little more", r.OneWay)
				}
				// Everybody else hears each publisher, and nothing is made up.
				if v := r.Voice; v.Listeners < want-cfg.Rooms || v.PlayedS < 9*float64(cfg.Rooms*cfg.Publishers*cfg.Subscribers) || v.WorstHoleRatio > 0.01 || v.LongestGapMS > 100 {
					t.Errorf("%d clients heard %+v", want, v)
				}
				for _, stage := range []string{"signalling", "joined", "ice", "dtls"} {
					if got := r.Join[stage].Count; got != int64(want) {
						t.Errorf("%d of %d clients tell of %s", got, want, stage)
					}
				}
				if !r.Valid || r.Seconds != 10 || lines < 10 {
					t.Errorf("valid %v, %v s, %d progress lines", r.Valid, r.Seconds, lines)
				}
			})
		})
	}
}

func TestFleetEndsEarly(t *testing.T) {
	inMemory(t, func(t *testing.T, cfg loadtest.Config) {
		cfg.Subscribers, cfg.Duration = 1, time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := loadtest.Run(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Interrupted || r.Packets.Received == 0 {
			t.Errorf("interrupted %v with %d packets", r.Interrupted, r.Packets.Received)
		}
		var out bytes.Buffer
		if err := r.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"seconds", "valid", "clients", "packets", "one_way_ms", "join_ms", "lateness_ms", "voice"} {
			if _, there := fields[name]; !there {
				t.Errorf("the JSON has no %s", name)
			}
		}
	})
}

func TestNobodyAnswers(t *testing.T) {
	inMemory(t, func(t *testing.T, cfg loadtest.Config) {
		cfg.URL, cfg.Subscribers, cfg.Duration = "http://10.0.0.1:81/", 2, time.Second
		r := run(t, cfg)
		if r.Clients.Failed != 3 || r.Packets.Received != 0 || r.Problem == "" {
			t.Errorf("%+v %+v %q; want three that failed, and why", r.Clients, r.Packets, r.Problem)
		}
	})
}

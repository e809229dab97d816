package loadtest

import (
	"strings"
	"testing"
	"time"
)

func TestParseMetrics(t *testing.T) {
	const page = `# HELP x y
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
rivulet_forwarded_packets_total 1.5e+06
labelled{reason="a } b",code="1"} 2
labelled{reason="c"} 3 1700000000
broken{reason="
nothing
bad notanumber
`
	got, err := parseMetrics(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{metricCPU: 12.5, metricForwarded: 1.5e6, "labelled": 5}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("a 1\nb{c=\"d\"} 2\n")
	f.Add("{} 1\na{}}\na{")
	f.Fuzz(func(t *testing.T, page string) {
		if sums, err := parseMetrics(strings.NewReader(page)); err == nil && sums == nil {
			t.Error("neither an error nor sums")
		}
	})
}

func TestCosts(t *testing.T) {
	before := map[string]float64{metricCPU: 1, metricMallocs: 100, metricForwarded: 10, metricSentCalls: 5}
	after := map[string]float64{metricCPU: 1.5, metricMallocs: 300, metricForwarded: 110, metricSentCalls: 30}
	got := costs(before, after)
	want := ServerCosts{Forwarded: 100, CPUSeconds: 0.5, CPUMicrosPerPacket: 5000, AllocsPerPacket: 2, SendCallsPerPacket: 0.25}
	if got == nil || *got != want {
		t.Errorf("costs are %+v, want %+v", got, want)
	}
	for _, c := range [][2]map[string]float64{{nil, after}, {before, nil}, {after, after}, {after, before}} {
		if got := costs(c[0], c[1]); got != nil {
			t.Errorf("costs are %+v, want none", got)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
	for name, spoil := range map[string]func(*Config){
		"url":         func(c *Config) { c.URL = "" },
		"rooms":       func(c *Config) { c.Rooms = 0 },
		"clients":     func(c *Config) { c.Publishers, c.Subscribers = 0, 0 },
		"negative":    func(c *Config) { c.Subscribers = -1 },
		"video":       func(c *Config) { c.Video = "h264" },
		"layers":      func(c *Config) { c.Layers = 4 },
		"duration":    func(c *Config) { c.Duration = 0 },
		"join rate":   func(c *Config) { c.JoinRate = 0 },
		"video rate":  func(c *Config) { c.VideoRate = -1 },
		"connect":     func(c *Config) { c.ConnectTimeout = -time.Second },
		"too many":    func(c *Config) { c.Rooms, c.Subscribers = 1000, 1000 },
		"no room":     func(c *Config) { c.Room = "" },
		"room number": func(c *Config) { c.Rooms = maxRooms + 1 },
	} {
		c := DefaultConfig()
		spoil(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestCameras says that what is announced is what is sent.
func TestCameras(t *testing.T) {
	for layers := 1; layers <= maxLayers; layers++ {
		c := DefaultConfig()
		c.Layers = layers
		p := c.camera().publication()
		if layers == 1 {
			if len(p.Layers) != 0 {
				t.Errorf("one layer is announced as %v", p.Layers)
			}
			continue
		}
		if len(p.Layers) != layers || p.Layers[layers-1].Width != p.Width || p.Layers[0].RID != "q" {
			t.Errorf("%d layers are announced as %+v", layers, p.Layers)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost:8080": true, "ws://127.0.0.1/v1/ws": true, "http://[::1]:80": true,
		"https://call.example": false, "http://192.0.2.1": false, "http://%zz": false,
	} {
		if got := loopbackOnly(url) != nil; got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
}

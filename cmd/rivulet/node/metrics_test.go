package node

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		w.dial().join("ann")
		s := w.dial()
		s.send(`{"type":"mute","id":"1","source":"camera"}`)
		if m, _ := s.next(); m.Code != "not_joined" {
			t.Fatalf("answered %+v", m)
		}
		_, _, body := w.get("http://10.0.0.1:9090/metrics")
		mentions(t, body,
			"rivulet_info{version=\"v1.2.3\"} 1\n", "rivulet_development 1\n", "rivulet_draining 0\n",
			"rivulet_rooms 1\n", "rivulet_participants 1\n", "rivulet_joins_total 1\n",
			"rivulet_refused_commands_total{code=\"not_joined\"} 1\n",
			"process_cpu_seconds_total", "go_memstats_mallocs_total", "go_goroutines",
		)
		if strings.Contains(body, "kitchen") || strings.Contains(body, "ann\"") {
			t.Error("a metric names a room or a participant")
		}
		w.node.Drain()
		_, _, body = w.get("http://10.0.0.1:9090/metrics")
		mentions(t, body, "rivulet_draining 1\n")
	})
}

func TestMetricsWithoutRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) {
			_ = closeRelaySockets(c.TURN)
			c.TURN = nil
		})
		_, _, body := w.get("http://10.0.0.1:9090/metrics")
		if strings.Contains(body, "rivulet_turn") {
			t.Error("there are metrics of a relay that is not there")
		}
		if m := w.dial().join("ann"); m.Type != "joined" || len(m.ICEServers) != 0 {
			t.Errorf("joined as %+v", m)
		}
	})
}

// Names follow the conventions of Prometheus: base units, _total on counters.
func TestMetricNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics() {
		if seen[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		seen[m.name] = true
		if !regexp.MustCompile(`^rivulet_[a-z0-9_]+$`).MatchString(m.name) {
			t.Errorf("%s is no name", m.name)
		}
		if counts := m.kind == prometheus.CounterValue; counts != strings.HasSuffix(m.name, "_total") {
			t.Errorf("%s: counters, and only they, end in _total", m.name)
		}
		if regexp.MustCompile(`milli|micro|_ms|_us|kilo|percent|_kbit`).MatchString(m.name) {
			t.Errorf("%s is not in base units", m.name)
		}
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: the help is no sentence", m.name)
		}
		for _, personal := range []string{"room", "participant", "identity", "user", "address"} {
			if m.label == personal {
				t.Errorf("%s has a label for each %s", m.name, personal)
			}
		}
	}
}

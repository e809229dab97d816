package node

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/turn"
)

// snapshot is what all parts say at one scrape.
type snapshot struct {
	engine  sfu.Stats
	relay   turn.Stats
	calls   calls
	sockets udp.Stats
	buffer  int // bytes the kernel grants for receiving, the smallest
	dev     bool
	version string
}

// sample is one value of a metric; label is empty if the metric has none.
type sample struct {
	label string
	value float64
}

// metric is one family. Its values are read at each scrape: parts count by
// themselves and know nothing of Prometheus.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	label      string // name of its one label, or empty
	relay      bool   // only with a relay
	read       func(*snapshot) []sample
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// number makes a sample without a label.
func number[T int | int64 | uint64](v T) []sample { return []sample{{value: float64(v)}} }

func yes(on bool) []sample {
	if on {
		return number(1)
	}
	return number(0)
}

// reason makes a sample of one reason.
func reason(label string, v uint64) sample { return sample{label, float64(v)} }

// metrics lists every family of ours. docs/operations/metrics.md says the same,
// and a test compares. None carries a room, a participant or an address.
func metrics() []metric {
	all := engineMetrics()
	all = append(all, mediaMetrics()...)
	all = append(all, socketMetrics()...)
	all = append(all, callMetrics()...)
	return append(all, relayMetrics()...)
}

func engineMetrics() []metric {
	return []metric{
		{"rivulet_info", "Always 1; the label tells the version of the program.", gauge, "version", false,
			func(s *snapshot) []sample { return []sample{{s.version, 1}} }},
		{"rivulet_development", "1 if the server needs no tokens (serve --dev).", gauge, "", false,
			func(s *snapshot) []sample { return yes(s.dev) }},
		{"rivulet_draining", "1 while new joins are refused.", gauge, "", false,
			func(s *snapshot) []sample { return yes(s.engine.Draining) }},
		{"rivulet_rooms", "Rooms now.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Rooms) }},
		{"rivulet_participants", "Participants now, in all rooms.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Sessions) }},
		{"rivulet_peers", "Media connections now.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Peers) }},
		{"rivulet_coarse_peers", "Media connections whose client sends neither transport-wide nor RFC 8888 reports: what it receives follows receiver reports alone.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Coarse) }},
		{"rivulet_reliable_peers", "Media connections over TCP, or over a relay of this node that the client reaches by TCP or TLS: delay alone tells of congestion there, and nothing is repaired.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Reliable) }},
		{"rivulet_packet_buffers", "Packet buffers in use now; 0 when there is no room.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.BuffersInUse) }},
		{"rivulet_mixers", "Rooms in which voices are mixed or thinned for receivers that cannot have them whole.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Mixes) }},
		{"rivulet_mixer_streams", "Streams that these encode; receivers share them.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.MixOutputs) }},
		{"rivulet_mixer_packets_total", "Packets of these streams.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Mixed) }},
		{"rivulet_joins_total", "Joins that were let in.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Joins) }},
		{"rivulet_refused_commands_total", "Signalling commands refused, by error code.", counter, "code", false,
			func(s *snapshot) (all []sample) {
				for code, n := range s.engine.Refused {
					all = append(all, reason(string(code), n))
				}
				return all
			}},
		{"rivulet_received_packets_total", "RTP packets received from publishers.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Received) }},
		{"rivulet_forwarded_packets_total", "RTP packets written to subscribers.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Forwarded) }},
		{"rivulet_forwarded_bytes_total", "What those packets weighed on the wire, IP headers included.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.ForwardedBytes) }},
		{"rivulet_dropped_packets_total", "Media packets of clients that went nowhere, by reason.", counter, "reason", false,
			func(s *snapshot) []sample {
				m := s.engine.Media
				return []sample{
					reason("malformed", m.Malformed), reason("oversized", m.Oversized), reason("unknown_stream", m.Unknown),
					reason("not_accepted", m.NotAccepted), reason("overload", m.Overload), reason("rtcp_limited", m.RTCPLimited),
				}
			}},
	}
}

func socketMetrics() []metric {
	return []metric{
		{"rivulet_udp_received_packets_total", "Datagrams received on the media port.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.ReadDatagrams) }},
		{"rivulet_udp_received_bytes_total", "Payload bytes received on the media port.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.ReadBytes) }},
		{"rivulet_udp_received_calls_total", "System calls that returned datagrams.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.ReadCalls) }},
		{"rivulet_udp_truncated_packets_total", "Datagrams received that were larger than a media packet can be.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.ReadTruncated) }},
		{"rivulet_udp_sent_packets_total", "Datagrams sent from the media port.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.WriteDatagrams) }},
		{"rivulet_udp_sent_bytes_total", "Payload bytes sent from the media port.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.WriteBytes) }},
		{"rivulet_udp_sent_calls_total", "System calls made to send.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.WriteCalls) }},
		{"rivulet_udp_send_errors_total", "Datagrams that the kernel refused to send.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.WriteErrors) }},
		{"rivulet_udp_send_waits_total", "How often the kernel's send queue was full.", counter, "", false,
			func(s *snapshot) []sample { return number(s.sockets.WriteWaits) }},
		{"rivulet_udp_receive_buffer_bytes", "Receive queue that the kernel granted the media port; 0 where it does not tell.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.buffer) }},
	}
}

// collector reads all metrics of a node at each scrape.
type collector struct {
	node     *Node
	families []family
}

// family is a metric with its description.
type family struct {
	metric
	desc *prometheus.Desc
}

func newCollector(n *Node) *collector {
	c := &collector{node: n}
	for _, m := range metrics() {
		if m.relay && n.relay == nil {
			continue
		}
		var labels []string
		if m.label != "" {
			labels = []string{m.label}
		}
		c.families = append(c.families, family{m, prometheus.NewDesc(m.name, m.help, labels, nil)})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range c.families {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.node.snapshot()
	for _, f := range c.families {
		for _, v := range f.read(s) {
			var labels []string
			if f.label != "" {
				labels = []string{v.label}
			}
			to <- prometheus.MustNewConstMetric(f.desc, f.kind, v.value, labels...)
		}
	}
}

func (n *Node) snapshot() *snapshot {
	s := &snapshot{engine: n.engine.Stats(), dev: n.cfg.Dev, version: n.cfg.Version, calls: n.callStats()}
	if n.relay != nil {
		s.relay = n.relay.Stats()
	}
	for i, socket := range n.cfg.Engine.Sockets {
		st := socket.Stats()
		s.sockets.ReadDatagrams += st.ReadDatagrams
		s.sockets.ReadBytes += st.ReadBytes
		s.sockets.ReadCalls += st.ReadCalls
		s.sockets.ReadTruncated += st.ReadTruncated
		s.sockets.WriteDatagrams += st.WriteDatagrams
		s.sockets.WriteBytes += st.WriteBytes
		s.sockets.WriteCalls += st.WriteCalls
		s.sockets.WriteErrors += st.WriteErrors
		s.sockets.WriteWaits += st.WriteWaits
		if receive, _ := socket.BufferSizes(); i == 0 || receive < s.buffer {
			s.buffer = receive
		}
	}
	return s
}

// metricsHandler exports our metrics beside those of the process and of Go.
func (n *Node) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newCollector(n),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

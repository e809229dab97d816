package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// maxLateness is how late our own timers may be at the 99th percentile before
// a run measures this machine and not the server.
const maxLateness = 5 * time.Millisecond

// Result is what a run measured. The JSON names are stable: fields are added
// and never renamed. Times are in milliseconds.
type Result struct {
	Started time.Time `json:"started"`
	// Seconds is how long media was measured: from when everybody was there.
	Seconds     float64 `json:"seconds"`
	Interrupted bool    `json:"interrupted"` // ended before its time
	// Valid is false when our own timers were late (lateness_ms.p99 over 5).
	Valid bool `json:"valid"`

	Rooms       int    `json:"rooms"`
	Publishers  int    `json:"publishers"`  // each room
	Subscribers int    `json:"subscribers"` // each room
	Video       Video  `json:"video"`
	Layers      int    `json:"layers"`
	Problem     string `json:"problem,omitempty"` // the first one

	Clients ClientCounts `json:"clients"`
	Packets PacketCounts `json:"packets"`
	// Voice is what listeners heard while measuring.
	Voice VoiceHeard `json:"voice"`
	// OneWay is the delay from the sender's encoder to the receiver's socket,
	// without packets that had to be sent again.
	OneWay Distribution `json:"one_way_ms"`
	// Lateness is how late our own timers were.
	Lateness Distribution `json:"lateness_ms"`
	// Join is how long each stage of joining took, from its beginning:
	// signalling, joined, ice, dtls, first_packet.
	Join map[string]Distribution `json:"join_ms"`
	// Server is what the server spent; nil when its metrics were not read.
	Server *ServerCosts `json:"server,omitempty"`
}

// ClientCounts are clients.
type ClientCounts struct {
	Wanted    int `json:"wanted"`
	Connected int `json:"connected"`
	Failed    int `json:"failed"` // could not join or connect, or were thrown out
}

// PacketCounts are packets of media since the run began.
type PacketCounts struct {
	Sent     uint64 `json:"sent"`     // by all publishers
	Received uint64 `json:"received"` // by all clients together
	// Lost never came, after repair, and LostVoice is how many of these were
	// sound; LossRatio is their share of what was due. What a congested server
	// leaves out of a picture counts, where it did not close the gap.
	Lost       uint64  `json:"lost"`
	LostVoice  uint64  `json:"lost_voice"`
	LossRatio  float64 `json:"loss_ratio"`
	Recovered  uint64  `json:"recovered"` // came by retransmission
	NACKs      uint64  `json:"nacks"`
	Duplicates uint64  `json:"duplicates"`
	Unknown    uint64  `json:"unknown"`    // of no stream that was negotiated
	Overload   uint64  `json:"overload"`   // our own clients could not send in time
	PerSecond  float64 `json:"per_second"` // received while measuring
}

// VoiceHeard is what somebody with an adaptive jitter buffer would have heard
// at each client, of all voices.
type VoiceHeard struct {
	Listeners int     `json:"listeners"` // clients at which anything sounded
	PlayedS   float64 `json:"played_s"`  // of sound, all together
	// HoleRatio is the share of the sound that was a guess or nothing, because
	// it was lost or late; WorstHoleRatio that of the worst client.
	HoleRatio      float64 `json:"hole_ratio"`
	WorstHoleRatio float64 `json:"worst_hole_ratio"`
	LongestGapMS   float64 `json:"longest_gap_ms"` // of any client, joining included
	Recovered      uint64  `json:"recovered"`      // packets that came as redundancy
	Late           uint64  `json:"late"`           // packets that came after their time
	DelayMS        float64 `json:"delay_ms"`       // the longest that a jitter buffer adds
}

// Distribution is that of a duration, in milliseconds.
type Distribution struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// ServerCosts are differences of the server's metrics over the measurement.
type ServerCosts struct {
	Forwarded          float64 `json:"forwarded_packets"`
	CPUSeconds         float64 `json:"cpu_seconds"`
	CPUMicrosPerPacket float64 `json:"cpu_us_per_packet"`
	AllocsPerPacket    float64 `json:"allocs_per_packet"`
	SendCallsPerPacket float64 `json:"send_calls_per_packet"`
}

func distribution(h *hdrhistogram.Histogram) Distribution {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Distribution{Count: h.TotalCount(), P50: at(50), P95: at(95), P99: at(99), Max: float64(h.Max()) / 1000}
}

// stageNames are the stages of joining in order.
var stageNames = []string{"signalling", "joined", "ice", "dtls", "first_packet"}

func joinTimes(all []client.Stages) map[string]Distribution {
	join := make(map[string]Distribution)
	for i, name := range stageNames {
		d := newDelays()
		for _, s := range all {
			took := [...]time.Duration{s.Signalling, s.Joined, s.ICE, s.DTLS, s.FirstPacket}[i]
			if took > 0 {
				d.add(took)
			}
		}
		join[name] = distribution(d.h)
	}
	return join
}

// costs answers what the server spent between two readings of its metrics; nil
// when it forwarded nothing or does not tell.
func costs(before, after map[string]float64) *ServerCosts {
	diff := func(name string) float64 { return after[name] - before[name] }
	forwarded := diff(metricForwarded)
	if before == nil || after == nil || forwarded <= 0 {
		return nil
	}
	return &ServerCosts{
		Forwarded: forwarded, CPUSeconds: diff(metricCPU),
		CPUMicrosPerPacket: diff(metricCPU) * 1e6 / forwarded,
		AllocsPerPacket:    diff(metricMallocs) / forwarded,
		SendCallsPerPacket: diff(metricSentCalls) / forwarded,
	}
}

// WriteJSON writes the result as one indented object.
func (r *Result) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the result for people.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(t, "%s\t"+format+"\n", append([]any{name}, values...)...)
	}
	row("rooms", "%d with %d publishers and %d subscribers each, video %s in %d layers", r.Rooms, r.Publishers, r.Subscribers, r.Video, r.Layers)
	row("measured", "%.1f s%s", r.Seconds, map[bool]string{true: " (interrupted)"}[r.Interrupted])
	row("clients", "%d of %d connected, %d failed", r.Clients.Connected, r.Clients.Wanted, r.Clients.Failed)
	row("packets", "%d sent, %d received (%.0f/s)", r.Packets.Sent, r.Packets.Received, r.Packets.PerSecond)
	row("lost", "%d after repair (%.4f %%), %d of them voice, %d repaired, %d asked for", r.Packets.Lost, 100*r.Packets.LossRatio, r.Packets.LostVoice, r.Packets.Recovered, r.Packets.NACKs)
	row("duplicates", "%d", r.Packets.Duplicates)
	if n := r.Packets.Unknown + r.Packets.Overload; n > 0 {
		row("odd", "%d of unknown streams, %d not sent by an overloaded client", r.Packets.Unknown, r.Packets.Overload)
	}
	if v := r.Voice; v.Listeners > 0 {
		row("voice", "%.3f %% made up (worst client %.3f %%), longest gap %.0f ms, %d late, %d out of redundancy", 100*v.HoleRatio, 100*v.WorstHoleRatio, v.LongestGapMS, v.Late, v.Recovered)
	}
	row("one-way delay", "p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, at most %.1f ms", r.OneWay.P50, r.OneWay.P95, r.OneWay.P99, r.OneWay.Max)
	for _, name := range stageNames {
		if d := r.Join[name]; d.Count > 0 {
			row("join: "+name, "p50 %.0f ms, p95 %.0f ms", d.P50, d.P95)
		}
	}
	if s := r.Server; s != nil {
		row("server", "%.2f us CPU, %.2f allocations, %.2f system calls for each of %.0f forwarded packets", s.CPUMicrosPerPacket, s.AllocsPerPacket, s.SendCallsPerPacket, s.Forwarded)
	}
	if !r.Valid {
		row("INVALID", "our own timers were %.1f ms late at the 99th percentile: this machine was the limit", r.Lateness.P99)
	}
	if r.Problem != "" {
		row("problem", "%s", r.Problem)
	}
	return t.Flush()
}

// merged is the sum of distributions.
func merged(all ...*delays) *hdrhistogram.Histogram {
	sum := newDelays().h
	for _, d := range all {
		d.addTo(sum)
	}
	return sum
}

package emulate

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Report is what a run measured. Times are milliseconds, rates kbit/s of IP
// packets.
type Report struct {
	Mode    string  `json:"mode"` // udp or tun
	Seconds float64 `json:"seconds"`
	// Valid: the emulator kept its promises, so the run may be believed.
	Valid bool `json:"valid"`
	// Invalid says why not, one reason a line.
	Invalid []string `json:"invalid,omitempty"`
	Up      Way      `json:"up"`
	Down    Way      `json:"down"`
	// Lateness is how long after its time of arrival a packet was written.
	Lateness Spread `json:"lateness"`
	// Wake is how late the emulator woke up, each 10 ms.
	Wake Spread `json:"wake"`
	// Scheduling is "fifo" where the system let the emulator go before
	// ordinary programs, else "normal".
	Scheduling string `json:"scheduling"`
	Clients    int    `json:"clients,omitempty"`        // udp: how many there were
	Rebinds    int    `json:"address_changes,omitzero"` // how often the client's address changed
	// ProgramStatus is the exit status of a TUN run's program.
	ProgramStatus int `json:"program_status,omitzero"`
}

// Way is one direction.
type Way struct {
	RateKbps     float64 `json:"rate_kbps"`         // delivered, mean over the run
	BusiestKbps  float64 `json:"busiest_kbps"`      // the busiest second, by times of arrival
	OfferedKbps  float64 `json:"offered_kbps"`      // mean over the run
	QueueP50     float64 `json:"queue_ms_p50"`      // wait in the queue
	QueueP95     float64 `json:"queue_ms_p95"`      //
	Offered      uint64  `json:"offered_packets"`   // to the link
	Delivered    uint64  `json:"delivered_packets"` // duplicates included
	OfferedBytes uint64  `json:"offered_bytes"`
	Bytes        uint64  `json:"delivered_bytes"`
	// Dropped has packets by reason, those that occurred.
	Dropped map[string]uint64 `json:"dropped"`
	Marked  uint64            `json:"marked,omitzero"`
	Copied  uint64            `json:"duplicated,omitzero"`
	// Kinds is what was offered by kind ("STUN request", "RTP 111", "RTCP 205"),
	// in udp mode.
	Kinds map[string]Kind `json:"kinds,omitempty"`
	// Failed is what the emulator itself could not carry.
	Failed uint64 `json:"failed,omitzero"`
}

// Spread is the distribution of a time.
type Spread struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"ms_p50"`
	P99   float64 `json:"ms_p99"`
	Max   float64 `json:"ms_max"`
}

// Progress is the state of a run, once a second.
type Progress struct {
	At       time.Duration // since the start
	Up, Down Recent
	Late     time.Duration // 99th percentile since the start, of packets or wake-ups
	Clients  int
}

// Recent is one direction in the last second.
type Recent struct {
	Rate    units.Rate    // delivered
	Queue   time.Duration // the longest that a packet offered now would wait
	Dropped uint64        // packets since the start
	// Kinds is what was offered by kind since the start, in udp mode.
	Kinds map[string]Kind
}

// String is the state in one line.
func (p Progress) String() string {
	way := func(r Recent) string {
		return fmt.Sprintf("%8.1f kbit/s  queue %5d ms  dropped %d",
			float64(r.Rate)/1000, r.Queue.Milliseconds(), r.Dropped)
	}
	return fmt.Sprintf("%5.0fs  up %s  |  down %s  |  late %.2f ms", p.At.Seconds(), way(p.Up), way(p.Down), ms(p.Late))
}

func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

func (s spread) report() Spread {
	return Spread{Count: s.count(), P50: ms(s.at(50)), P99: ms(s.at(99)), Max: ms(s.max())}
}

// report answers what was measured in a direction over a time.
func (m *meter) report(over time.Duration) Way {
	kbps := func(s units.Size, d time.Duration) float64 {
		return math.Round(float64(s.Over(d))/10) / 100
	}
	w := Way{
		RateKbps: kbps(m.delivered.Bytes, over), OfferedKbps: kbps(m.offered.Bytes, over),
		BusiestKbps: kbps(m.busy.busiest, time.Second),
		QueueP50:    ms(m.waited.at(50)), QueueP95: ms(m.waited.at(95)),
		Offered: m.offered.Packets, Delivered: m.delivered.Packets,
		OfferedBytes: uint64(m.offered.Bytes), Bytes: uint64(m.delivered.Bytes),
		Kinds: m.kinds.report(), Dropped: map[string]uint64{}, Marked: m.marked, Copied: m.copied, Failed: m.lost(),
	}
	for reason, c := range m.dropped {
		if c.Packets > 0 {
			w.Dropped[link.Reason(reason).String()] = c.Packets
		}
	}
	return w
}

// kinds lists what was offered by kind, with its share of the bytes.
func (w Way) kinds() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(w.Kinds)) {
		k := w.Kinds[name]
		parts = append(parts, fmt.Sprintf("%s %d (%.0f %%)", name, k.Packets, 100*float64(k.Bytes)/float64(w.OfferedBytes)))
	}
	return strings.Join(parts, ", ")
}

// judge sets Valid, and Invalid where it is not.
func (r *Report) judge(up, down *meter) {
	limit := ms(MaxLateness)
	if r.Lateness.P99 > limit {
		r.Invalid = append(r.Invalid, fmt.Sprintf("packets were %.2f ms late at the 99th percentile, at most %g ms may be", r.Lateness.P99, limit))
	}
	if r.Wake.P99 > limit {
		r.Invalid = append(r.Invalid, fmt.Sprintf("the emulator woke up %.2f ms late at the 99th percentile, at most %g ms may be: the machine is too busy", r.Wake.P99, limit))
	}
	for d, m := range [directions]*meter{up, down} {
		if lost := m.lost(); float64(lost) > maxMissed*float64(m.offered.Packets+lost) {
			r.Invalid = append(r.Invalid, fmt.Sprintf("%v: the emulator failed to carry %d packets (%d not read in time, %d without room, %d not taken by the system)",
				Direction(d), lost, m.missed, m.refused, m.unsent))
		}
	}
	r.Valid = len(r.Invalid) == 0
}

// WriteJSON prints the report for a program.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable prints the report for a person.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\trate kbit/s\tbusiest\toffered\tqueue p50 ms\tp95\tpackets\tdelivered\t")
	for d, way := range [directions]Way{r.Up, r.Down} {
		fmt.Fprintf(table, "%v\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%d\t\n", Direction(d),
			way.RateKbps, way.BusiestKbps, way.OfferedKbps, way.QueueP50, way.QueueP95, way.Offered, way.Delivered)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var text strings.Builder
	for d, way := range [directions]Way{r.Up, r.Down} {
		var parts []string
		for _, reason := range slices.Sorted(maps.Keys(way.Dropped)) {
			n := way.Dropped[reason]
			parts = append(parts, fmt.Sprintf("%d %s (%.2f %%)", n, reason, 100*float64(n)/float64(way.Offered)))
		}
		if way.Marked > 0 {
			parts = append(parts, fmt.Sprintf("%d marked", way.Marked))
		}
		if way.Copied > 0 {
			parts = append(parts, fmt.Sprintf("%d duplicated", way.Copied))
		}
		if len(parts) == 0 {
			parts = []string{"nothing dropped"}
		}
		fmt.Fprintf(&text, "%-5v %s\n", Direction(d), strings.Join(parts, ", "))
		if kinds := way.kinds(); kinds != "" {
			fmt.Fprintf(&text, "%-5s %s\n", "", kinds)
		}
	}
	fmt.Fprintf(&text, "late  p50 %.2f, p99 %.2f, max %.2f ms of %d packets; wake-ups p99 %.2f ms, %s scheduling\n",
		r.Lateness.P50, r.Lateness.P99, r.Lateness.Max, r.Lateness.Count, r.Wake.P99, r.Scheduling)
	for _, reason := range r.Invalid {
		fmt.Fprintf(&text, "INVALID: %s\n", reason)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

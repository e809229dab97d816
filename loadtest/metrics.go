package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Names of the server's metrics.
const (
	metricCPU       = "process_cpu_seconds_total"
	metricMallocs   = "go_memstats_mallocs_total"
	metricForwarded = "rivulet_forwarded_packets_total"
	metricReceived  = "rivulet_udp_received_packets_total"
	metricSentCalls = "rivulet_udp_sent_calls_total"
)

// maxMetrics bounds what is read of a page of metrics, in bytes.
const maxMetrics = 4 << 20

// scrape reads the server's metrics: the sum over labels of each family.
func scrape(ctx context.Context, client *http.Client, url string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("the URL of the metrics: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the server's metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the server's metrics: %s answers %s", url, response.Status)
	}
	return parseMetrics(io.LimitReader(response.Body, maxMetrics))
}

// parseMetrics reads the Prometheus text format, as far as sums need it: a
// name, labels that may be there, a value. Lines that are not so are left out.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	sums := make(map[string]float64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest := line, ""
		if i := strings.IndexAny(line, "{ \t"); i > 0 {
			name, rest = line[:i], line[i:]
		}
		if strings.HasPrefix(rest, "{") {
			end := strings.LastIndexByte(rest, '}')
			if end < 0 {
				continue
			}
			rest = rest[end+1:]
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
			sums[name] += v
		}
	}
	return sums, lines.Err()
}

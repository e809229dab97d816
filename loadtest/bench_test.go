package loadtest_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// childVariable makes this test binary a server, so that its CPU time is its
// own and not that of the clients.
const childVariable = "RIVULET_BENCHMARK_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serveChild(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveChild runs a server with metrics until in ends; out gets its URL.
func serveChild(in io.Reader, out io.Writer) error {
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.DefaultConfig())
	if err != nil {
		return err
	}
	cfg := sfu.DefaultConfig()
	cfg.Sockets = []*udp.Socket{socket}
	cfg.JoinRate, cfg.JoinBurst = 1000, 1000
	engine, err := sfu.New(cfg)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/ws", ws.New(engine, ws.Config{}))
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		fmt.Fprintf(w, "process_cpu_seconds_total %v\n", cpuOf(syscall.RUSAGE_SELF).Seconds())
		fmt.Fprintf(w, "go_memstats_mallocs_total %d\n", memory.Mallocs)
		fmt.Fprintf(w, "rivulet_forwarded_packets_total %d\n", engine.Stats().Media.Forwarded)
		fmt.Fprintf(w, "rivulet_udp_sent_calls_total %d\n", socket.Stats().WriteCalls)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	if _, err := fmt.Fprintln(out, server.URL); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in) // until the benchmark closes it
	if closed := engine.Close(); err == nil {
		err = closed
	}
	return err
}

// cpuOf is the CPU time of this process or thread, kernel included.
func cpuOf(who int) time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(who, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startChild runs the server and answers its URL.
func startChild(b *testing.B) string {
	b.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatalf("the server said nothing: %v", err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := child.Wait(); err != nil {
			b.Errorf("the server ended with %v", err)
		}
	})
	return strings.TrimSpace(line)
}

// BenchmarkForward is one publisher of voice and 500 kbit/s of video and a
// hundred downlinks through real sockets on loopback: what the server's process
// spends on each forwarded packet, beside a bare sendmmsg of packets of the
// same sizes to as many addresses. Receiving, decrypting, congestion control,
// encrypting and feedback are in the former.
func BenchmarkForward(b *testing.B) {
	testenv.Sockets(b)
	cfg := loadtest.DefaultConfig()
	cfg.URL = startChild(b)
	cfg.Metrics = cfg.URL + "/metrics"
	cfg.Subscribers, cfg.Duration, cfg.JoinRate = 100, 5*time.Second, 25
	for b.Loop() {
		r := run(b, cfg)
		if r.Server == nil {
			b.Fatalf("nothing was forwarded: %s", r.Problem)
		}
		bare := bareSend(b, cfg.Subscribers)
		b.ReportMetric(r.Server.CPUMicrosPerPacket, "us/packet")
		b.ReportMetric(bare.Seconds()*1e6, "bare-us/packet")
		b.ReportMetric(r.Server.CPUMicrosPerPacket/(bare.Seconds()*1e6), "ratio")
		b.ReportMetric(r.Server.AllocsPerPacket, "server-allocs/packet")
		b.ReportMetric(r.Server.SendCallsPerPacket, "calls/packet")
		b.ReportMetric(100*r.Packets.LossRatio, "%lost")
	}
}

// sizes are those of the datagrams of a second of voice and video.
func sizes() (all []int) {
	const wrapping = 12 + 8 + 16 // RTP header, one extension, SRTP tag
	start := time.Unix(0, 0)
	voice := media.NewVoice(start, media.VoiceConfig{Talk: -1})
	video := media.NewVP8(start, media.VP8Config{})
	buf := make([]byte, media.MaxVoicePayload)
	for at := start; at.Before(start.Add(time.Second)); at = at.Add(time.Millisecond) {
		if f, ok := voice.Poll(at, buf); ok {
			all = append(all, len(f.Payload)+wrapping)
		}
		if f, ok := video.Poll(at); ok {
			for i := range f.Packets() {
				payload, _ := f.Packet(i, buf)
				all = append(all, len(payload)+wrapping)
			}
		}
	}
	return all
}

// bareSend sends each of those datagrams to n sockets, one batch for each, and
// answers the CPU time of one datagram.
func bareSend(b *testing.B, n int) time.Duration {
	b.Helper()
	listen := func() *udp.Socket {
		s, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.DefaultConfig())
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	var sinks []*udp.Socket
	batch := make([]udp.Message, n)
	for i := range n {
		sink := listen()
		sinks = append(sinks, sink)
		batch[i] = udp.Message{Buffer: make([]byte, 1500), Addr: sink.LocalAddr()}
		go func() { // reads, so that no queue is full; ends with its socket
			messages := make([]udp.Message, 8)
			for i := range messages {
				messages[i].Buffer = make([]byte, 1500)
			}
			for {
				if _, err := sink.ReadBatch(messages); err != nil {
					return
				}
			}
		}()
	}
	sender := listen()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	packets := 0
	before := cpuOf(syscall.RUSAGE_THREAD)
	for range 3 {
		for _, size := range sizes() {
			for i := range batch {
				batch[i].N = size
			}
			if _, err := sender.WriteBatch(batch); err != nil {
				b.Fatal(err)
			}
			packets += n
		}
	}
	spent := cpuOf(syscall.RUSAGE_THREAD) - before
	for _, s := range append(sinks, sender) {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	return spent / time.Duration(packets)
}

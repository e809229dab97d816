package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

var record = flag.String("record", "", "write what Chromium sends of each codec into this folder, for the tests of package codec")

// TestRecordChromium writes down the beginning of each payload that Chromium
// publishes, as it comes out of the server to a client that gets everything:
//
//	go test ./internal/e2e -run RecordChromium -record ../../codec/testdata/chromium
//
// One line is one packet: sequence number, timestamp, marker, dependency
// descriptor, length of the payload, its first bytes.
func TestRecordChromium(t *testing.T) {
	if *record == "" {
		t.Skip("writes files: give it -record FOLDER")
	}
	for _, c := range []struct{ name, query string }{
		{"vp8-simulcast", "codec=VP8"},
		{"vp9-l3t3", "codec=VP9&svc=L3T3"},
		{"vp9-l3t3key", "codec=VP9&svc=L3T3_KEY"},
		{"av1-l3t3", "codec=AV1&svc=L3T3"},
		{"av1-l3t3key", "codec=AV1&svc=L3T3_KEY"},
		{"av1-l1t2", "codec=AV1&svc=L1T2"},
		{"h264-l1t2", "codec=H264&svc=L1T2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, nil)
			ann := openTab(t, "ann")
			s.call(ann, "record", "video=1280x720", "audio=0", c.query)
			ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" })
			var mu sync.Mutex
			var lines []string
			begins := 0 // of the newest key frame with enough behind it
			var keys []int
			var timestamp uint32
			ctx, cancel := context.WithTimeout(t.Context(), joinLimit)
			defer cancel()
			call, err := client.Join(ctx, client.Options{
				URL: fmt.Sprintf("ws://%s/v1/ws", loopback(s.ports.HTTP)), Room: "record", ReceiveOnly: true,
				OnPacket: func(_ int, _ uint32, p *packet.Packet) {
					if !p.Kind.Video() {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					marker := 0
					if p.Marker {
						marker = 1
					}
					if p.Info.Keyframe && p.Info.FrameStart && p.Timestamp != timestamp {
						keys = append(keys, len(lines))
					}
					timestamp = p.Timestamp
					lines = append(lines, fmt.Sprintf("%d %d %d %x %d %x", p.Sequence, p.Timestamp, marker, p.Descriptor, len(p.Payload), p.Payload[:min(len(p.Payload), recorded)]))
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second) // the browser's own estimate rises until it sends all layers
			t.Logf("%+v", ann.state().Sent)
			if err := call.Close(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, k := range keys {
				if k+packets <= len(lines) {
					begins = k
				}
			}
			lines = lines[begins:min(begins+packets, len(lines))]
			if err := os.WriteFile(filepath.Join(*record, c.name+".txt"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	// recorded is how many bytes of a payload are kept: more than any descriptor
	// of a frame that is no key frame.
	recorded = 24
	// packets is how many of them are kept, from a key frame on.
	packets = 150
)

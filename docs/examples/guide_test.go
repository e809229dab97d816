package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/internal/testproc"
)

// TestTheGuideCanBeFollowed runs the commands that docs/signalling.md shows, as they
// stand there but for the ports, and looks at what they print.
func TestTheGuideCanBeFollowed(t *testing.T) {
	testenv.Sockets(t)
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the guide's commands need %s, which is not installed", tool)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "signalling.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/signalling.md shows no commands")
	}
	program := testproc.Rivulet(t)
	commands := strings.ReplaceAll(string(block[1]), "127.0.0.1:8080", testproc.FreeAddress(t))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// The server is the only thing that is left in the background.
	shell := exec.CommandContext(ctx, "bash", "-eu", "-c", "trap 'kill %1; wait' EXIT\n"+commands)
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"RIVULET_MEDIA_PORT="+freePort(t), "RIVULET_MEDIA_BIND=127.0.0.1", "RIVULET_ADMIN_ADDRESS=127.0.0.1:0", "RIVULET_DRAIN_GRACE=0s")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for want, times := range map[string]int{
		`{"type":"call.created","re":"","call":"c1"}`: 2, `"state":"joined"`: 2, `"type":"call.created","seq":`: 1,
		`"type":"call.ringing"`: 1, `"reason":"accepted"`: 1, `"type":"call.ended"`: 1, `"reason":"hangup"`: 2, `"summary":{"durationMs":`: 1, `{"events":[],"last":`: 1,
	} {
		if n := strings.Count(string(out), want); n != times {
			t.Errorf("%s is there %d times, want %d", want, n, times)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

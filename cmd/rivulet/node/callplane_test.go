package node

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// TestCallPlaneOfANode: the REST interface, the metrics and the WebSocket of a
// node are of one call plane, and without it there is none.
func TestCallPlaneOfANode(t *testing.T) {
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, func(c *Config) {
					if on {
						calls := switchboard.DefaultConfig()
						c.Calls = &calls
					}
				})
				response, err := w.http.Post("http://10.0.0.1:8080/v1/calls", "application/json", strings.NewReader(
					`{"call":"c","from":{"user":"ann","device":"1"},"targets":[{"user":"bob","devices":["1"]}]}`))
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if made := response.StatusCode == http.StatusCreated; made != on {
					t.Errorf("a call is answered with %d", response.StatusCode)
				}
				calls := 0
				if on {
					calls = 1
				}
				if _, _, body := w.get("http://10.0.0.1:9090/metrics"); !strings.Contains(body, fmt.Sprintf("rivulet_calls %d\n", calls)) {
					t.Error("the metrics do not count the call")
				}
				if status, _, _ := w.get("http://10.0.0.1:8080/v1/openapi.json"); (status == http.StatusOK) != on {
					t.Errorf("the description answers %d", status)
				}
			})
		})
	}
}

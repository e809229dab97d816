package signaltest_test

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
)

// TestDirectly runs the suite without an adapter: a program that embeds the
// engine calls it so.
func TestDirectly(t *testing.T) {
	signaltest.Run(t, func(_ *testing.T, e signal.Engine) signal.Engine { return e })
}

package web_test

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/client/web/webtest"
)

func TestPureParts(t *testing.T)  { webtest.Run(t, "test/pure.test.ts") }
func TestSignalling(t *testing.T) { webtest.Run(t, "test/signalling.test.ts") }

package page

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/client/web/webtest"
)

func TestPageParts(t *testing.T) { webtest.Run(t, "test/page.test.ts") }

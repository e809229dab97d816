package downlink

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A stalled publisher's voice comes in a burst. It costs no more for that, and
// takes no more from the picture.
func TestBurstOfVoiceIsNoMoreVoice(t *testing.T) {
	c := newCall(t, config(1), 400*units.Kbps)
	c.speak(0, 1)
	c.show(1, 2)
	c.run(5 * time.Second)
	before := c.d.Stats().Voice
	for range 4 {
		// A second and a half in which nothing comes, and then all of it.
		due := c.voiceAt
		c.voiceAt = c.now.Add(1500 * time.Millisecond)
		c.run(1500 * time.Millisecond)
		c.voiceAt = due
		c.run(time.Second)
		if now := c.d.Stats().Voice; now > before+before/4 {
			t.Fatalf("after a burst voice counts as %v, before as %v", now, before)
		}
	}
}

// What is said after a pause counts at once.
func TestVoiceAfterSilenceCounts(t *testing.T) {
	c := newCall(t, config(1), 400*units.Kbps)
	c.speak(0, 1)
	c.run(3 * time.Second)
	before := c.d.Stats().Voice
	c.voiceAt = c.now.Add(time.Minute)
	c.run(time.Minute)
	silent := c.d.Stats().Voice
	if silent > before/4 {
		t.Errorf("after a minute of silence voice counts as %v, before as %v", silent, before)
	}
	c.run(1500 * time.Millisecond)
	if now := c.d.Stats().Voice; now < before-before/10 {
		t.Errorf("a second of speech after the silence counts as %v, before as %v", now, before)
	}
}

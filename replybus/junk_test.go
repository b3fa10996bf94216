package replybus

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJunkIsToldOncePerMinute(t *testing.T) {
	var told []string
	j := junk{tell: func(text string) { told = append(told, text) }}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 100 {
		j.dropped(errors.New("body is not JSON"), now)
	}
	if len(told) != 1 || !strings.Contains(told[0], "a message was dropped") || !strings.Contains(told[0], "body is not JSON") {
		t.Errorf("%q", told)
	}
	j.dropped(errors.New("x"), now.Add(junkPause))
	if len(told) != 2 || !strings.Contains(told[1], "100 messages were dropped") {
		t.Errorf("%q", told)
	}
	(&junk{}).dropped(errors.New("x"), now) // nobody is told
}

package replybus

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMalformedIsReportedOncePerMinute(t *testing.T) {
	var notices []string
	m := malformed{notify: func(text string) { notices = append(notices, text) }}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 100 {
		m.dropped(errors.New("body is not JSON"), now)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "a message was dropped") || !strings.Contains(notices[0], "body is not JSON") {
		t.Errorf("%q", notices)
	}
	m.dropped(errors.New("x"), now.Add(noticeInterval))
	if len(notices) != 2 || !strings.Contains(notices[1], "100 messages were dropped") {
		t.Errorf("%q", notices)
	}
	(&malformed{}).dropped(errors.New("x"), now) // without notify
}

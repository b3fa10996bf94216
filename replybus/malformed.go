package replybus

import (
	"fmt"
	"time"
)

// noticeInterval is the time between two notices about dropped messages.
const noticeInterval = time.Minute

// malformed counts the messages that are not valid replies, or are surplus. The bus's
// goroutine owns it.
type malformed struct {
	notify func(text string) // may be nil
	count  int               // since the last notice
	last   time.Time
}

// dropped counts one more message. At most once per noticeInterval it reports all
// messages since the last notice.
func (m *malformed) dropped(why error, now time.Time) {
	m.count++
	if m.notify == nil || !m.last.IsZero() && now.Sub(m.last) < noticeInterval {
		return
	}
	messages := "a message was"
	if m.count > 1 {
		messages = fmt.Sprintf("%d messages were", m.count)
	}
	m.notify(fmt.Sprintf("notice: %s dropped from this operator's reply queue: %v", messages, why))
	m.count, m.last = 0, now
}

package replybus

import (
	"fmt"
	"time"
)

// junkPause is the time between two notices of what is dropped.
const junkPause = time.Minute

// junk counts what is no reply, or one too many. The consumer of the bus owns it.
type junk struct {
	tell  func(text string) // nil: nobody is told
	count int               // since the last notice
	last  time.Time
}

// dropped counts one more, and tells of all since the last notice.
func (j *junk) dropped(why error, now time.Time) {
	j.count++
	if j.tell == nil || !j.last.IsZero() && now.Sub(j.last) < junkPause {
		return
	}
	messages := "a message was"
	if j.count > 1 {
		messages = fmt.Sprintf("%d messages were", j.count)
	}
	j.tell(fmt.Sprintf("notice: %s dropped from this operator's reply queue: %v", messages, why))
	j.count, j.last = 0, now
}

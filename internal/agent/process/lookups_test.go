package process

import (
	"testing"
	"testing/synctest"
	"time"
)

// While one call waits in vain for a disk, further ones for the same place fail at once: each would
// need a thread for as long.
func TestOneLookupWaitsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pendingLookups{since: map[place]map[int]time.Time{}}
		dead, other := place{dir: "/mnt/dead", program: "df"}, place{dir: "/root", program: "df"}
		end, ok := l.begin(dead)
		if !ok {
			t.Fatal("the first is refused")
		}
		time.Sleep(startPatience)
		if later, ok := l.begin(dead); !ok {
			t.Error("one is refused while the first may still get its answer")
		} else {
			later()
		}
		time.Sleep(time.Second)
		if _, ok := l.begin(dead); ok {
			t.Error("another waits in vain")
		}
		if end, ok := l.begin(other); !ok {
			t.Error("another place is refused")
		} else {
			end()
		}
		end() // the disk has answered
		if end, ok := l.begin(dead); !ok {
			t.Error("refused, although the disk has answered")
		} else {
			end()
		}
		if len(l.since) > 0 {
			t.Errorf("left: %v", l.since)
		}
	})
}

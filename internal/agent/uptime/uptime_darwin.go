package uptime

import (
	"time"

	"golang.org/x/sys/unix"
)

func systemBootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

var started = time.Now()

// sinceBoot reads Darwin's CLOCK_MONOTONIC, which continues during sleep.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}

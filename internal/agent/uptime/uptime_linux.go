package uptime

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// systemBootID returns the kernel's boot id and the offsets of the process's time
// namespace, because these shift the clock.
func systemBootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(id))
	offsets, _ := os.ReadFile("/proc/self/timens_offsets") // does not exist without time namespaces
	for line := range strings.Lines(string(offsets)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "boottime" && (f[1] != "0" || f[2] != "0") {
			name += "+" + f[1] + "." + f[2]
		}
	}
	return name
}

var started = time.Now()

// sinceBoot reads CLOCK_BOOTTIME, which continues during sleep; CLOCK_MONOTONIC does
// not.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}

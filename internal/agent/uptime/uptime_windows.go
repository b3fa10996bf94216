package uptime

import (
	"time"

	"golang.org/x/sys/windows"
)

// systemBootID returns "": Windows has no reliable boot id.
func systemBootID() string { return "" }

// sinceBoot includes sleep.
func sinceBoot() time.Duration { return windows.DurationSinceBoot() }

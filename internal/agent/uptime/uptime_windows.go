package uptime

import (
	"time"

	"golang.org/x/sys/windows"
)

// systemBootID is empty: Windows has no name for a start of the machine that could be
// relied on.
func systemBootID() string { return "" }

// sinceBoot goes on while the machine sleeps.
func sinceBoot() time.Duration { return windows.DurationSinceBoot() }

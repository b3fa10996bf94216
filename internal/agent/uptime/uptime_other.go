//go:build !linux && !darwin && !windows

package uptime

import "time"

func systemBootID() string { return "" }

var started = time.Now()

func sinceBoot() time.Duration { return time.Since(started) }

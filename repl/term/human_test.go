package term

import (
	"testing"
	"time"
)

func TestHumanDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                            "0ms",
		12 * time.Millisecond:        "12ms",
		1234 * time.Millisecond:      "1.2s",
		59949 * time.Millisecond:     "59.9s",
		59999 * time.Millisecond:     "1m00s",
		65 * time.Second:             "1m05s",
		time.Hour - time.Millisecond: "1h00m",
		2*time.Hour + 3*time.Minute:  "2h03m",
		24*time.Hour - time.Second:   "1d",
		76 * time.Hour:               "3d4h",
		-5 * time.Second:             "-5.0s",
		time.Duration(-1 << 63):      "-106751d23h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

func TestHumanSize(t *testing.T) {
	for n, want := range map[int64]string{1: "1 byte", 50: "50 bytes", 1536: "1.5 KiB (1536 bytes)", 100_000_000: "95.4 MiB (100000000 bytes)"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

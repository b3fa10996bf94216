package repl

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"warren/internal/wire"
	"warren/repl/term"
)

// The types of flag values. Each says itself what is wrong with a text.

// A duration is longer than 0: 90s, 5m, 1h30m, 2d.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	var (
		v   time.Duration
		err error
	)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > math.MaxInt64/int(24*time.Hour) {
			err = strconv.ErrRange
		}
		v = time.Duration(n) * 24 * time.Hour
	} else {
		v, err = time.ParseDuration(s)
	}
	if err != nil || v < time.Millisecond {
		return usage("write it with its unit, as in 90s, 5m, 1h30m or 2d", "%q is not a duration", s)
	}
	*d = duration(v)
	return nil
}

func (d duration) String() string {
	v := time.Duration(d)
	if days := v / (24 * time.Hour); days > 0 && v%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	text := v.String() // 1h0m0s
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if !strings.HasSuffix(text, "h") && !strings.HasSuffix(text, "m") {
		return v.String()
	}
	return text
}

// A timeLimit is a duration, or none, which is 0.
type timeLimit time.Duration

func (l *timeLimit) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*l = 0
		return nil
	}
	var d duration
	if err := d.UnmarshalText(text); err != nil {
		return usage("write it with its unit, as in 90s, 5m, 1h30m or 2d; none is no limit", "%q is not a duration", text)
	}
	*l = timeLimit(d)
	return nil
}

func (l timeLimit) String() string {
	if l == 0 {
		return "none"
	}
	return duration(l).String()
}

// A retention is a duration, or never, which is 0.
type retention time.Duration

func (r *retention) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*r = 0
		return nil
	}
	var d duration
	if err := d.UnmarshalText(text); err != nil {
		return err
	}
	*r = retention(d)
	return nil
}

func (r retention) String() string {
	if r == 0 {
		return "never"
	}
	return duration(r).String()
}

// A size is a number of bytes: 4096, 64KiB, 1MiB.
type size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"kb", 1000},
	{"mb", 1000_000},
	{"gb", 1000_000_000},
	{"k", 1 << 10},
	{"m", 1 << 20},
	{"g", 1 << 30},
	{"b", 1},
	{"", 1},
}

func (z *size) UnmarshalText(text []byte) error {
	number, unit := strings.ToLower(strings.TrimSpace(string(text))), int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	// Also false for what is not a number.
	if err != nil || !(n >= 0 && n*float64(unit) <= math.MaxInt64/2) {
		return usage("write it as in 4096, 64KiB or 1MiB", "%q is not a size", text)
	}
	*z = size(n * float64(unit))
	return nil
}

func (z size) String() string {
	for _, u := range []struct {
		name  string
		bytes size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if z >= u.bytes && z%u.bytes == 0 {
			return fmt.Sprintf("%d%s", z/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// A count is a whole number from 0.
type count int

func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > wire.MaxCount {
		return usage("", "%q is not a whole number from 0", text)
	}
	*c = count(n)
	return nil
}

// A variable is NAME=value.
type variable string

func (v variable) name() string {
	name, _, _ := strings.Cut(string(v), "=")
	return name
}

func (v *variable) UnmarshalText(text []byte) error {
	name, _, ok := strings.Cut(string(text), "=")
	if !ok || name == "" {
		return usage("write it as in --env LANG=C", "%q is not NAME=value", text)
	}
	*v = variable(text)
	return nil
}

// A colorWhen says when colors are used.
type colorWhen string

const (
	colorAuto   colorWhen = "auto" // on a terminal that has them, unless NO_COLOR is set (no-color.org)
	colorAlways colorWhen = "always"
	colorNever  colorWhen = "never"
)

func (c *colorWhen) UnmarshalText(text []byte) error {
	switch w := colorWhen(text); w {
	case colorAuto, colorAlways, colorNever:
		*c = w
		return nil
	}
	return usage("it is auto, always or never", "%q is no way to use colors", text)
}

// paintFor is the paint of an output.
func (c colorWhen) paintFor(terminal bool) term.Paint {
	switch c {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	return term.Paint(terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.TakesColors())
}

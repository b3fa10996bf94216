package cli

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"warren/internal/wire"
	"warren/repl/term"
)

// The types of flag values. Each says itself what is wrong with a text.

// A Duration is longer than 0: 90s, 5m, 1h30m, 2d.
type Duration time.Duration

func (d *Duration) UnmarshalText(text []byte) error {
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
		return Usage("write it with its unit, as in 90s, 5m, 1h30m or 2d", "%q is not a duration", s)
	}
	*d = Duration(v)
	return nil
}

func (d Duration) String() string {
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

// A TimeLimit is a duration, or none, which is 0.
type TimeLimit time.Duration

func (l *TimeLimit) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*l = 0
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return Usage("write it with its unit, as in 90s, 5m, 1h30m or 2d; none means no limit", "%q is not a duration", text)
	}
	*l = TimeLimit(d)
	return nil
}

func (l TimeLimit) String() string {
	if l == 0 {
		return "none"
	}
	return Duration(l).String()
}

// A Retention is a duration, or never, which is 0.
type Retention time.Duration

func (r *Retention) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*r = 0
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return err
	}
	*r = Retention(d)
	return nil
}

func (r Retention) String() string {
	if r == 0 {
		return "never"
	}
	return Duration(r).String()
}

// A Size is a number of bytes: 4096, 64KiB, 1MiB.
type Size int64

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

func (z *Size) UnmarshalText(text []byte) error {
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
		return Usage("write it as in 4096, 64KiB or 1MiB", "%q is not a size", text)
	}
	*z = Size(n * float64(unit))
	return nil
}

func (z Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if z >= u.bytes && z%u.bytes == 0 {
			return fmt.Sprintf("%d%s", z/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// A Count is a whole number from 0.
type Count int

func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n > wire.MaxCount {
		return Usage("", "%q is not a whole number, 0 or more", text)
	}
	*c = Count(n)
	return nil
}

// A Variable is NAME=value.
type Variable string

func (v Variable) Name() string {
	name, _, _ := strings.Cut(string(v), "=")
	return name
}

func (v *Variable) UnmarshalText(text []byte) error {
	name, _, ok := strings.Cut(string(text), "=")
	if !ok || name == "" {
		return Usage("write it as in --env LANG=C", "%q is not NAME=value", text)
	}
	*v = Variable(text)
	return nil
}

// A ColorWhen says when colors are used.
type ColorWhen string

const (
	ColorAuto   ColorWhen = "auto" // on a terminal that has them, unless NO_COLOR is set (no-color.org)
	colorAlways ColorWhen = "always"
	ColorNever  ColorWhen = "never"
)

func (c *ColorWhen) UnmarshalText(text []byte) error {
	*c = ColorWhen(text)
	return checkWhen(text, "%q is not a color mode")
}

// A ShowWhen says when the prompt shows the results of a task that has ended.
type ShowWhen string

const (
	ShowAuto   ShowWhen = "auto" // if they fit on the screen
	ShowAlways ShowWhen = "always"
	ShowNever  ShowWhen = "never"
)

func (w *ShowWhen) UnmarshalText(text []byte) error {
	*w = ShowWhen(text)
	return checkWhen(text, "%q is none of auto, always and never")
}

// whenWords are the values of a ColorWhen and of a ShowWhen.
var whenWords = []string{"auto", "always", "never"}

// checkWhen returns an error unless text is one of whenWords.
func checkWhen(text []byte, problem string) error {
	if slices.Contains(whenWords, string(text)) {
		return nil
	}
	return Usage("use auto, always or never", problem, text)
}

// PaintFor is the paint of an output.
func (c ColorWhen) PaintFor(terminal bool) term.Paint {
	switch c {
	case colorAlways:
		term.TakesColors() // enables escape sequences in a console of Windows
		return true
	case ColorNever:
		return false
	}
	return term.Paint(terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.TakesColors())
}

package term

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCarriageReturnsOverwriteLine(t *testing.T) {
	apt := "Selecting package.\n(Reading database ... \r(Reading database ... 5%\r(Reading database ... 100%\r(Reading database ... 7400 files.)\r\nPreparing\n"
	for in, want := range map[string]string{
		apt:                          "Selecting package.\n(Reading database ... 7400 files.)\nPreparing\n",
		"plain\r\nlines\r\n":         "plain\nlines\n",
		"50%\r":                      "50%",
		"50%\r\r\n":                  "50%\n",
		"long text\rab":              "abng text",
		"10%\r100%\r5":               "500%",
		"working\r       \rok\n":     "ok\n",
		"working\r       \r\n":       "\n",
		"working\r\x1b[Kok\n":        "ok\n",
		"abcdef\rab\x1b[0K\n":        "ab\n",
		"working\x1b[2K\rok":         "ok",
		"abcdef\rab\x1b[1K\n":        "   def\n",
		"q\rabcd\x1b[2K\x1b[2Kx\r\n": "    x\n",
		"abcd\x1b[1K\re\x1b[1Kf\n":   " f\n",
		"a主c\rab\x1b[Kd\n":           "abd\n",
		"a\tb\rx\n":                  "x       b\n",
		"主机名\rab\n":                  "ab机名\n",
		"主机名\ra\n":                   "a 机名\n",
		"abcd\r主\n":                  "主cd\n",
		"a主c\rxy\n":                  "xy c\n",
		"e\u0301x\ry\n":              "yx\n",
		"\u0301x\ry\n":               "y\n",
		"\xffab\rx\n":                "xab\n",
		"ab\rx\xff":                  "x\\xff",
		"\x1b[31mred\x1b[0m\rgreen":  "green",
		"no return \x1b[K\tat all  ": "no return \\x1b[K\tat all  ",
		"done\rx\x07":                "x\\x07one",
		"":                           "",
		"\r":                         "",
		"\n\r\n":                     "\n\n",
	} {
		if got := Output([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What is overwritten in two steps ends as in one: long lines are cut at a return.
func TestOverwritingInSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOf(rapid.SampledFrom([]rune("ab \r\r\n\t主\u0301\x1b[K2m\x07"))).Draw(t, "in")
		out := string(Overwrite([]byte(in)))
		if strings.ContainsRune(out, '\r') || strings.Count(out, "\n") != strings.Count(in, "\n") || !utf8.ValidString(out) {
			t.Fatalf("%q became %q", in, out)
		}
		if again := string(Overwrite([]byte(out))); again != out {
			t.Fatalf("%q became %q, then %q", in, out, again)
		}
	})
}

func TestLineOfTabsTakesLittleMemory(t *testing.T) {
	var l overwrittenLine
	l.write([]byte(strings.Repeat("\t", 1<<20) + "x"))
	if len(l.cells) > 1<<20+tabWidth*widestTabs {
		t.Errorf("%d columns", len(l.cells))
	}
}

// A command may print what is hard to erase: time grows with its bytes alone. If it grew with the
// columns of a line, too, these would take a quarter of a minute each.
func TestOverwritingTakesLittleTime(t *testing.T) {
	begin := time.Now()
	wide := strings.Repeat("\t", widestTabs) + "x"
	for _, part := range []string{"\r" + wide + "\r\x1b[K", wide + "\x1b[1K", "\x1b[2Kx", "\r\x01", "\x1b[K", "\x1b[1K", "x\x1b[1K"} {
		Overwrite([]byte(wide + "\r" + strings.Repeat(part, 64<<10/len(part))))
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("主\ra\x1b[K\xff\tb"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for line := range strings.Lines(Output(in)) {
			if Line(strings.TrimSuffix(strings.ReplaceAll(line, "\t", ""), "\n")) != strings.TrimSuffix(strings.ReplaceAll(line, "\t", ""), "\n") {
				t.Fatalf("%q became %q", in, line)
			}
		}
	})
}

package cli

import (
	"slices"
	"testing"
)

func TestSplitWordsKeepsWindowsPaths(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		`--cwd C:\windows\media x`:      {"--cwd", `C:\windows\media`, "x"},
		`--cwd=C:\Program\ Files\x`:     {`--cwd=C:\Program Files\x`},
		`\\server\share`:                {`\\server\share`},
		`--cwd=\\server\share`:          {`--cwd=\\server\share`},
		`'C:\a b' "C:\a b" "a\"b"`:      {`C:\a b`, `C:\a b`, `a"b`},
		`"it's" C:\x 'say "x"' \"\$\\y`: {"it's", `C:\x`, `say "x"`, `"$\y`},
		`主\机 a\\b`:                      {`主\机`, `a\b`},
		`C:\.ssh C:\%x% \n`:             {`C:\.ssh`, `C:\%x%`, `\n`},
	} {
		if got, err := SplitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`C:\`, `"a`, `'C:\`, `"a\"`} {
		if got, err := SplitWords(line); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestScriptShell(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"x.sh": "", "x.bat": "", `C:\x.PS1`: "powershell", "ps1": ""} {
		if got := ScriptShell(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

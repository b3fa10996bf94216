package trust

import (
	"fmt"
	"strings"
	"testing"

	"warren/internal/wire"
)

func TestRefusalListsPermittedCommands(t *testing.T) {
	const df = `permit-command="df( -[hk])?",permit-command="uptime"`
	const list = `; this key may run "df( -[hk])?" or "uptime"`
	for _, c := range []struct {
		run  wire.Run
		want string
	}{
		{wire.Run{Command: "df -h /"}, "no permit-command matches: df -h /" + list},
		{wire.Run{Command: "df -h | tail -1"}, "no permit-command matches: df -h '|' tail -1 (no shell runs it: | is an argument, not a pipe)" + list},
		{wire.Run{Command: "df -h >>/tmp/x"}, "no permit-command matches: df -h '>>/tmp/x' (no shell runs it: >> is an argument, not a redirection)" + list},
		{wire.Run{Command: "uptime&&df"}, "no permit-command matches: 'uptime&&df' (no shell runs it: && is an argument, not an operator)" + list},
		{wire.Run{Command: "df\nuptime"}, "no permit-command matches: df uptime (no shell runs it: a newline separates words, not commands)" + list},
		{wire.Run{Command: `df "a|b;$HOME"`}, `no permit-command matches: df 'a|b;$HOME' (no shell runs it: $ is an argument, not an expansion)` + list},
		{wire.Run{Command: `df 'a|$b' \; "x;*"`}, `no permit-command matches: df 'a|$b' ';' 'x;*'` + list},
		{wire.Run{Argv: []string{"df", "|"}}, "no permit-command matches: df '|'" + list},
	} {
		if _, refusal := rule(t, df).permits(&c.run, nil, "warrend"); refusal != c.want {
			t.Errorf("%q %q:\n%s, want\n%s", c.run.Command, c.run.Argv, refusal, c.want)
		}
	}
}

func TestRefusalIsShort(t *testing.T) {
	var options []string
	for i := range 20 {
		options = append(options, fmt.Sprintf(`permit-command="%d%s"`, i, strings.Repeat("主", 1000)))
	}
	_, refusal := rule(t, strings.Join(options, ",")).permits(&wire.Run{Command: strings.Repeat("x;", 1000)}, nil, "warrend")
	if len(refusal) > wire.MaxReason-100 || !strings.HasSuffix(refusal, " or 15 more") { // the rule's name precedes it
		t.Errorf("%d bytes: %s", len(refusal), refusal)
	}
}

// Backslashes of Windows paths stay within quotes, as docs/security.md says.
func TestQuotedWindowsPathMatches(t *testing.T) {
	run := wire.Run{Command: `'C:\tools\x.exe' -v`}
	got, refusal := rule(t, `permit-command="'C:\\tools\\x\.exe' -v"`).permits(&run, nil, "warrend")
	if refusal != "" || got.Argv[0] != `C:\tools\x.exe` {
		t.Errorf("%+v, %s", got, refusal)
	}
}

package term

import (
	"slices"
	"strings"
	"testing"
)

func TestAlignFitsTableToTerminal(t *testing.T) {
	for _, c := range []struct {
		name  string
		width int
		whole []int
		want  []string
	}{
		{"no terminal", 0, nil, []string{
			"ID        STATE                        COMMAND", "1b4e0001  running, 2 of 3 ended: 2 ok  systemctl restart nginx", "1b4e0002  a reason that is longer than all the rest of the table together",
		}},
		{"wide", 80, nil, []string{
			"ID        STATE                        COMMAND", "1b4e0001  running, 2 of 3 ended: 2 ok  systemctl restart nginx", "1b4e0002  a reason that is longer than all the rest of the table together",
		}},
		{"the widest columns are cut", 46, nil, []string{
			"ID        STATE             COMMAND", "1b4e0001  running, 2 of 3…  systemctl restar…", "1b4e0002  a reason that is longer than all th…",
		}},
		{"but not those in whole", 46, []int{1}, []string{
			"ID        STATE                        COMMAND", "1b4e0001  running, 2 of 3 ended: 2 ok  system…", "1b4e0002  a reason that is longer than all th…",
		}},
		{"narrow", 12, nil, []string{"ID        S…", "1b4e0001  r…", "1b4e0002  a…"}},
	} {
		c2 := NewConsole(IO{OutTerminal: true, Size: func() (int, int) { return c.width, 24 }}, false)
		got := c2.Align([][]string{
			{"ID", "STATE", "COMMAND"},
			{"1b4e0001", "running, 2 of 3 ended: 2 ok", "systemctl restart nginx"},
			{"1b4e0002", "a reason that is longer than all the rest of the table together"},
		}, c.whole...)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

package cli

import "testing"

func TestShellFormNamesCommandsOfWarren(t *testing.T) {
	for text, want := range map[string]string{
		"hint: check_task 34105d68 shows it, cancel 34105d68 stops it": "hint: warren check_task 34105d68 shows it, warren cancel 34105d68 stops it",
		"提示：用 wait 34105d68 等待其余结果":                                    "提示：用 warren wait 34105d68 等待其余结果",
		"hosts lists the agents; hosts --all also those of before":     "warren hosts lists the agents; warren hosts --all also those of before",
		"hosts 列出应答的 agent；hosts --all 还列出以前应答过的":                      "warren hosts 列出应答的 agent；warren hosts --all 还列出以前应答过的",
		"hosts list rights only to keys in their authorized_operators": "",
		"hosts wait two minutes":                                       "",
		"quote the wildcard so that the hosts expand it":               "",
		"hosts expand shows what an expression stands for":             "warren hosts expand shows what an expression stands for",
		`for example run "uname -a" --hosts "web01"`:                   `for example warren run "uname -a" --hosts "web01"`,
		"run retry in the directory of the push, or push again":        "",
		"usage: wait [ID]":                           "usage: warren wait [ID]",
		"用法：push SRC… --to PATH":                     "用法：warren push SRC… --to PATH",
		"help push lists its flags":                  "warren help push lists its flags",
		"-1 is the newest task; tasks lists the ids": "-1 is the newest task; warren tasks lists the ids",
		"in a shell: warren check_task 34105d68":     "",
		`--hosts "web01 web02"`:                      "",
		"no timeout; cancel 34105d68 stops it":       "no timeout; warren cancel 34105d68 stops it",
	} {
		if want == "" {
			want = text
		}
		if got := ShellForm(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := ShellForm(want); got != want {
			t.Errorf("%q twice: %q", text, got)
		}
	}
}

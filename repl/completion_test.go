//go:build unix

package repl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The scripts in the shells themselves, as far as these are installed. Each is
// asked what a line may become, after the same task as TestTerminalCompletion.
func TestShellCompletion(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(dir, "warren")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "WARREN_DATA_DIR="+dir+"/data", "XDG_CONFIG_HOME="+dir, "CLUSTERSHELL_CFGDIR="+dir, "HOME="+dir, "GORACE=atexit_sleep_ms=0")
	run := exec.Command(filepath.Join(dir, "warren"), "run", "true", "--hosts", "dbserver7 web01 web02")
	run.Env = env
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	shells := map[string]func(before, current string) *exec.Cmd{
		"bash": func(before, current string) *exec.Cmd {
			return exec.Command("bash", "--norc", "-c", `source <(warren completion bash)
				COMP_WORDS=(warren `+before+` '`+current+`'); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
				_warren warren '`+current+`' 2>/dev/null; printf '%s\n' "${COMPREPLY[@]}"`)
		},
		"fish": func(before, current string) *exec.Cmd {
			return exec.Command("fish", "--no-config", "-c", "warren completion fish | source; complete -C 'warren "+before+" "+current+"'")
		},
		"zsh": func(before, current string) *exec.Cmd {
			return exec.Command("zsh", "-f", "-c", zshTest, "zsh", "warren "+before+" "+current)
		},
	}
	for name, command := range shells {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip(err)
			}
			for _, tt := range []struct{ before, current, want string }{
				{"", "chec", "check_task"},
				{"check_task", "1b4", "1b4e0001"},
				{"run true --hosts", "dbs", "dbserver7"},
				{"run true", "--rollo", "--rollout"},
				{"run true --hosts", "@unre", "@unreachable:"},
				{"--color", "ne", "never"},
			} {
				cmd := command(tt.before, tt.current)
				cmd.Env = env
				out, err := cmd.CombinedOutput()
				// zsh completes the line itself, the others list.
				if got, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\t"); got != tt.want && !strings.HasSuffix(got, " "+tt.want) {
					t.Errorf("%s|%s: %q, want %q (%v)", tt.before, tt.current, got, tt.want, err)
				}
			}
		})
	}
}

// zshTest has an interactive zsh complete its first argument, and prints the line
// that comes of it.
const zshTest = `
zmodload zsh/zpty
zpty z 'zsh -f -i'
zpty -w z "PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; source <(warren completion zsh); report() { print -r -- \"<<\$BUFFER>>\"; zle kill-buffer }; zle -N report; bindkey '^X' report; print READ''Y"
zpty -r -m z junk '*READY*'
zpty -n -w z "$1"$'\t'$'\x18'
zpty -r -m z got '*<<*>>*'
got=${got##*<<}; print -r -- "${${got%%>>*}%% }"
zpty -d z
`

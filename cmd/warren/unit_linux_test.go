package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unitDir = "../../packaging/systemd/"

// asInUnit has the settings of the units that restrict the files or rights of the agent, each
// with a shell command of the same effect. The command is empty if the setting does not concern
// key files.
var asInUnit = map[string]string{
	"NoNewPrivileges=yes":                 `with="setpriv --no-new-privs"`,
	"ProtectSystem=yes":                   `protect /usr /boot /efi`,
	"ProtectHome=read-only":               `protect /home /root /run/user`,
	"PrivateTmp=yes":                      "",
	"ProtectKernelModules=yes":            "",
	"ProtectKernelLogs=yes":               "",
	"CapabilityBoundingSet=~CAP_SYS_TIME": "",
	"RestrictSUIDSGID=yes":                "",
	"RestrictRealtime=yes":                "",
	"LockPersonality=yes":                 "",
	"SystemCallArchitectures=native":      "",
}

// harmless are the other settings of the units: they do not restrict the agent.
var harmless = regexp.MustCompile(`^(Description|Wants|After|WantedBy|Type|NotifyAccess|WatchdogSec|Exec\w+|Restart\w*|Timeout(Start|Stop)Sec|KillMode|Delegate|StateDirectory\w*|RuntimeDirectory\w*)=`)

// likeUnit replaces the warrend of a place by a script that runs it with an /etc of its own, and
// with the restrictions of these units.
func (p *place) likeUnit(etc string, units ...string) {
	p.t.Helper()
	var setup strings.Builder
	for _, unit := range units {
		text, err := os.ReadFile(unitDir + unit)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			command, known := asInUnit[line]
			switch {
			case line == "" || strings.ContainsAny(line[:1], "#[") || harmless.MatchString(line):
			case known:
				fmt.Fprintln(&setup, command)
			default:
				p.t.Errorf("%s: %s is in neither list of this test", unit, line)
			}
		}
	}
	work := p.dir + "/work"
	if err := os.Mkdir(work, 0o700); err != nil {
		p.t.Fatal(err)
	}
	warrend := p.bin + "/warrend"
	program := p.dir + "/real/warrend"
	if err := os.Mkdir(filepath.Dir(program), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(warrend, program); err != nil {
		p.t.Fatal(err)
	}
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = inside ] || exec unshare --mount --propagation private "$0" inside "$@"
shift
set -e
mount -t overlay overlay -o lowerdir=/etc,upperdir=%s,workdir=%s /etc
protect() { for dir; do [ ! -d $dir ] || { mount --bind $dir $dir && mount -o remount,bind,ro $dir; }; done; }
%s
exec $with %s "$@"
`, etc, work, setup.String(), program)
	if err := os.WriteFile(warrend, []byte(script), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

// recipe returns the command on a page of the documentation that begins with begin.
func (p *place) recipe(page, begin string) string {
	p.t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "`"+begin)
	recipe, _, closed := strings.Cut(rest, "`")
	if !found || !closed {
		p.t.Fatalf("%s has no recipe that begins with %q", page, begin)
	}
	return begin + recipe + "\n"
}

// The documented way to change a key works on an agent with the documented unit, and with
// the hardened one.
func TestDocumentedKeyChangeUnderDocumentedUnit(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || exec.Command("unshare", "--mount", "true").Run() != nil {
		t.Skip("needs root, and a mount namespace of its own")
	}
	for name, units := range map[string][]string{
		"default":  {"warrend.service"},
		"hardened": {"warrend.service", "warrend.service.d/hardening.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.prefix = "keychange" + name + "-"
			before, _ := p.keygen("before", "")
			after, _ := p.keygen("after", "")
			file := p.dir + "/etc/warren/authorized_operators"
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			// Its last line has no end: a line that is only appended would become a part of it.
			if err := os.WriteFile(file, []byte("# operators\n"+p.line(before)), 0o640); err != nil {
				t.Fatal(err)
			}
			p.likeUnit(p.dir+"/etc", units...)
			host, _ := p.agent("a", "--authorized-operators", "/etc/warren/authorized_operators")
			for script, begin := range map[string]string{"add-line.sh": "f=/etc/warren/authorized_operators; cp -p $f $f.new && printf", "remove-line.sh": "f=/etc/warren/authorized_operators; grep -qxF"} {
				if err := os.WriteFile(p.dir+"/"+script, []byte(p.recipe("security.md", begin)), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			run := func(key, want string, args ...string) {
				t.Helper()
				status := map[string]int{"ok": 0, "rejected": 1, "exited 1": 1}[want]
				r := p.want(status, append([]string{"--identity", key, "run", "--hosts", host}, args...)...)
				has(t, r.out, want)
			}
			run(after, "rejected", "true")
			run(before, "ok", "--script", "add-line.sh", p.line(after), "--when-online", "30d")
			run(after, "ok", "true")
			run(before, "ok", "true")
			run(after, "ok", "--script", "remove-line.sh", p.line(before))
			run(before, "rejected", "true")
			run(after, "exited 1", "--script", "remove-line.sh", p.line(after)) // otherwise no key would be left
			run(after, "ok", "true")
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the file has mode %v, %v", info.Mode(), err)
			}
		})
	}
}

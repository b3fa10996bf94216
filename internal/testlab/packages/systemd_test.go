//go:build linux

package packages

import (
	"os"
	"strings"
	"testing"
)

// newSystemd makes a host with systemd. The file mainpid has the process id of the agent, and active the
// services that run.
func newSystemd(t *testing.T) *scripted {
	t.Helper()
	h := newScripted(t, "/run/systemd/system", "run", "/usr/lib/systemd/system", "usr", "/etc/systemd/system", "etc")
	for _, dir := range []string{"run", "usr", "etc"} {
		if err := os.Mkdir(h.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.write("usr/warrend.service", "[Service]\nExecStart=/usr/bin/warrend\n")
	h.write("mainpid", "0\n")
	h.write("active", "")
	h.write("bin/systemctl", `#!/bin/sh
cd "${0%/*}/.."
case $* in
show*MainPID*) exec cat mainpid ;;
*is-active*) exec grep -qx "$3" active ;;
*is-enabled*) exit 1 ;;
esac
echo systemctl "$@" >>calls
`)
	h.write("bin/systemd-run", `#!/bin/sh
echo systemd-run "$3" >>"${0%/*}/../calls"
while [ "${1#--}" != "$1" ]; do shift; done
setsid "$@" </dev/null >/dev/null 2>&1 &
`)
	return h
}

// throughAgent returns a shell script as a command of an agent. As after su, no cgroup shows it.
func throughAgent(script string) string {
	return `exec warrend -c 'echo $$ >mainpid; sh -c "sh -c \"` + script + `\"; sleep 1; echo command ends >>calls"; true'`
}

// An upgrade that is a command of the agent restarts the agent when it has ended.
func TestUpgradeUnderSystemd(t *testing.T) {
	const waits = "systemctl daemon-reload\nsystemd-run --unit=warrend-restart.service\n"
	for name, c := range map[string]struct {
		script, active, prints, calls string
	}{
		"through Warren": {
			script: throughAgent("sh ./postinstall configure 0.0.1"), active: "warrend.service\n",
			prints: "warren-agent: the agent restarts when this command has ended\n",
			calls:  waits + "command ends\nsystemctl try-restart warrend.service\n",
		},
		"two packages in one command": {
			script: throughAgent("sh ./postinstall configure 0.0.1; echo warrend-restart.service >>active; sh ./postinstall configure 0.0.1"), active: "warrend.service\n",
			prints: strings.Repeat("warren-agent: the agent restarts when this command has ended\n", 2),
			calls:  waits + "systemctl daemon-reload\ncommand ends\nsystemctl try-restart warrend.service\n",
		},
		"from elsewhere": {
			script: "echo 999999999 >mainpid; sh ./postinstall configure 0.0.1", active: "warrend.service\n",
			calls: "systemctl daemon-reload\nsystemctl try-restart warrend.service\n",
		},
	} {
		h := newSystemd(t)
		h.write("active", c.active)
		if out, err := h.command(c.script).Output(); err != nil || string(out) != c.prints {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		h.awaitCalls(name, c.calls)
	}
}

// A removal that is a command of the agent stops the agent when it has ended. Until then, systemd
// has a copy of the unit, which the package no longer has.
func TestRemovalUnderSystemd(t *testing.T) {
	h := newSystemd(t)
	out, err := h.command(throughAgent("sh ./preremove remove; rm usr/warrend.service; cat run/warrend.service")).Output()
	if err != nil || string(out) != "warren-agent: the agent stops when this command has ended\n[Service]\nExecStart=/usr/bin/warrend\n" {
		t.Errorf("through Warren: %v\n%s", err, out)
	}
	h.awaitCalls("through Warren", "systemctl disable warrend.service\nsystemd-run --unit=warrend-stop.service\ncommand ends\nsystemctl stop warrend.service\nsystemctl daemon-reload\n")
	if _, err := os.Stat(h.path("run/warrend.service")); !os.IsNotExist(err) {
		t.Errorf("the copy of the unit is still there: %v", err)
	}

	for name, script := range map[string]string{
		"from elsewhere": "echo 999999999 >mainpid; sh ./preremove remove", "no agent": "sh ./preremove remove",
	} {
		h := newSystemd(t)
		if out, err := h.command(script).Output(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if calls := h.calls(); calls != "systemctl disable --now warrend.service\n" {
			t.Errorf("%s: %q", name, calls)
		}
	}
}

// An agent that a removal is about to stop counts as removed.
func TestInstallationAfterRemovalThroughWarren(t *testing.T) {
	h := newSystemd(t)
	h.write("active", "warrend.service\nwarrend-stop.service\n")
	out, err := h.command(throughAgent("sh ./postinstall configure 0.0.1")).Output()
	if err != nil || !strings.Contains(string(out), "the agent is not started") {
		t.Errorf("%v\n%s", err, out)
	}
	if calls := h.calls(); calls != "systemctl daemon-reload\ncommand ends\n" {
		t.Error(calls)
	}
}

// A unit in /etc hides that of the package. It may have been made from that, or mask the service.
func TestUnitInstalledByHandIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		text, link string
		warn       bool
	}{
		"agent without a package":    {text: "[Service]\nExecStart=/usr/local/bin/warrend\n", warn: true},
		"copy of the package's unit": {text: "[Service]\nExecStart=/usr/bin/warrend --workers 9\n"},
		"link to the package's unit": {link: "../usr/warrend.service"},
		"masked":                     {link: os.DevNull},
	} {
		h := newSystemd(t)
		if c.text != "" {
			h.write("etc/warrend.service", c.text)
		} else if err := os.Symlink(c.link, h.path("etc/warrend.service")); err != nil {
			t.Fatal(err)
		}
		cmd := h.command("sh ./postinstall configure 2>&1")
		out, err := cmd.Output()
		warns := strings.Contains(string(out), "hides the unit of this package") && strings.Contains(string(out), ": /usr/local/bin/warrend\n")
		if err != nil || warns != c.warn || strings.Contains(string(out), "not started") == c.warn {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

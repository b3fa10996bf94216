//go:build linux

package packages

import (
	"strings"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

// The rpm of Debian runs the scripts of a package as that of Fedora does. It knows no other
// package, so it checks no dependencies.
func TestRPMPackages(t *testing.T) {
	eachFolder(t, func(t *testing.T, f *folder) {
		force := "" // Debian 12 wants it
		if _, status := f.run("rpm", "--force-debian", "--version"); status == 0 {
			force = "--force-debian"
		}
		rpm := func(args ...string) string {
			t.Helper()
			return f.shell("rpm " + force + " --nodeps " + strings.Join(args, " "))
		}
		f.shell("mkdir -p /var/lib/rpm && rpm --initdb")
		out := rpm("-i", "/warren-0.0.1-1.x86_64.rpm", "/warren-agent-0.0.1-1.x86_64.rpm")
		has(t, out, "the agent is not started", "authorized_operators", "systemctl enable --now warrend")
		if f.agent() != "" || f.property("UnitFileState") != "disabled" {
			t.Errorf("after the installation the service is %s", f.property("UnitFileState"))
		}
		has(t, f.must("getent", "passwd", "warrend"), "/var/lib/warrend")
		has(t, f.must("rpm", "-qc", "warren-agent"), "/etc/warren/warrend.toml", "/etc/warren/authorized_operators")
		f.must("rpm", "-V", "--nodeps", "warren", "warren-agent")

		f.configure(rabbittest.URL(t), "")
		f.must("systemctl", "enable", "--now", "warrend")
		f.answers("0.0.1")
		task := f.detached("echo begun >>/long; sleep 600; echo ended >>/long")
		f.await("the command runs", func() bool { return f.exists("long") })
		if out := rpm("-U", "/warren-0.0.2-1.x86_64.rpm", "/warren-agent-0.0.2-1.x86_64.rpm"); strings.Contains(out, "not started") {
			t.Errorf("an upgrade of a running agent prints:\n%s", out)
		}
		f.answers("0.0.2")
		out, _ = f.run("warren", "wait", task)
		has(t, out, "interrupted")
		if got := f.read("long"); got != "begun\n" {
			t.Errorf("the command wrote %q", got)
		}
		has(t, f.read("etc/warren/warrend.toml"), "host1")

		rpm("-e", "warren-agent")
		if f.agent() != "" || f.exists("usr/bin/warrend") {
			t.Error("the agent is still there")
		}
		// rpm renames configuration files that were edited.
		for _, name := range []string{"var/lib/warrend/journal.log", "etc/warren/warrend.toml.rpmsave", "etc/warren/authorized_operators.rpmsave"} {
			if !f.exists(name) {
				t.Errorf("%s is gone", name)
			}
		}
	})
}

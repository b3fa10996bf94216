//go:build linux

package packages

import (
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit/rabbittest"
)

var (
	folders  = flag.String("folders", "", "folders with an installed Debian, separated by commas")
	packages = flag.String("packages", "", "directory with the packages of the versions 0.0.1 and 0.0.2")
)

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// eachFolder runs a test in a copy of each folder.
func eachFolder(t *testing.T, test func(t *testing.T, f *folder)) {
	if *folders == "" || *packages == "" {
		t.Skip("make packages-test makes the folders and packages")
	}
	for _, from := range strings.Split(*folders, ",") {
		t.Run(filepath.Base(from), func(t *testing.T) { test(t, newFolder(t, from)) })
	}
}

func TestDebianPackages(t *testing.T) {
	eachFolder(t, func(t *testing.T, f *folder) {
		step := func(name string, test func(t *testing.T)) {
			if !t.Run(name, func(t *testing.T) { f.t = t; defer func(outer *testing.T) { f.t = outer }(t); test(t) }) {
				t.FailNow() // the next steps need this one
			}
		}
		broker := rabbittest.URL(t)
		step("install starts nothing", f.testInstall)
		step("systemd starts and reloads the agent", func(t *testing.T) { f.testService(t, broker) })
		step("systemd restarts only an agent that may succeed", func(t *testing.T) { f.testRestarts(t, broker) })
		step("the watchdog restarts a stuck agent", f.testWatchdog)
		step("upgrade keeps 50 running jobs", f.testUpgrade)
		step("downgrade refuses a newer journal", f.testDowngrade)
		step("an agent upgrades its own package", f.testUpgradeThroughWarren)
		step("hardening.conf hides mounts and temporary files", f.testHardening)
		step("an agent removes its own package", f.testRemoveThroughWarren)
		step("remove keeps data", f.testRemove)
		step("an agent purges its own package", f.testPurgeThroughWarren)
		step("purge deletes data", f.testPurge)
	})
}

func (f *folder) install(version string) string {
	f.t.Helper()
	return f.must("dpkg", "-i", "/warren_"+version+"_amd64.deb", "/warren-agent_"+version+"_amd64.deb")
}

func (f *folder) testInstall(t *testing.T) {
	out := f.install("0.0.1")
	has(t, out, "the agent is not started", "authorized_operators", "systemctl enable --now warrend", "/etc/warren/warrend.toml")
	if f.agent() != "" || f.property("UnitFileState") != "disabled" || f.property("ActiveState") != "inactive" {
		t.Errorf("after the installation the service is %s, %s", f.property("UnitFileState"), f.property("ActiveState"))
	}
	has(t, f.must("warrend", "--version"), "0.0.1")
	has(t, f.must("warren", "--version"), "0.0.1")
	if out, status := f.run("warrend"); status != 2 {
		t.Errorf("an agent without operators: status %d\n%s", status, out)
	}
	files := f.must("dpkg", "-L", "warren", "warren-agent")
	for _, name := range []string{
		"usr/share/man/man1/warren-run.1.gz", "usr/share/man/man8/warrend.8.gz", "usr/share/man/man5/authorized_operators.5.gz",
		"usr/lib/systemd/system/warrend.service", "usr/lib/sysusers.d/warren-agent.conf", "usr/lib/tmpfiles.d/warren-agent.conf",
		"usr/share/bash-completion/completions/warren",
	} {
		if !strings.Contains(files, "/"+name) {
			t.Errorf("no %s", name)
		}
	}
	has(t, f.read("usr/lib/systemd/system/warrend.service"), "ExecStart=/usr/bin/warrend\n")
	has(t, f.must("dpkg-query", "--show", "--showformat=${Conffiles}", "warren-agent"), "/etc/warren/warrend.toml", "/etc/warren/authorized_operators")
	has(t, f.must("getent", "passwd", "warrend"), "/var/lib/warrend")
	has(t, f.must("stat", "--format=%U %a", "/var/lib/warrend"), "root 700")
}

// testService starts the agent as the package says.
func (f *folder) testService(t *testing.T, broker string) {
	f.configure(broker, "")
	f.must("systemctl", "enable", "--now", "warrend") // returns when the agent holds its id
	if state, text := f.property("ActiveState"), f.property("StatusText"); state != "active" || !strings.HasPrefix(text, "connected to amqp://") {
		t.Errorf("the service is %s: %s", state, text)
	}
	has(t, f.must("warrend", "status"), "state    ok")
	f.must("warren", "hosts", "--hosts", "host1")
	f.must("systemctl", "reload", "warrend")
	has(t, f.must("journalctl", "--no-pager", "--unit="+unit), "authorized_operators")
	has(t, f.must("warren", "run", "echo $NOTIFY_SOCKET-$WATCHDOG_USEC-", "--hosts", "host1"), "\n--\n")
	f.must("systemctl", "stop", "warrend")
	if result := f.property("Result"); result != "success" {
		t.Errorf("a stop ends with %s", result)
	}
}

// testRestarts starts an agent with a wrong setting, and one whose port is in use.
func (f *folder) testRestarts(t *testing.T, broker string) {
	f.configure(broker, "no_such_setting = 1\n")
	if out, status := f.run("systemctl", "start", "warrend"); status == 0 {
		t.Errorf("an agent with a wrong setting started: %s", out)
	}
	if state, restarts, status := f.property("ActiveState"), f.property("NRestarts"), f.property("ExecMainStatus"); state != "failed" || restarts != "0" || status != "78" {
		t.Errorf("after exit status %s the service is %s, and was restarted %s times", status, state, restarts)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.configure(broker, fmt.Sprintf("metrics = %q\n", l.Addr().String()))
	f.run("systemctl", "start", "--no-block", "warrend")
	f.await("systemd has restarted the agent", func() bool { return f.property("NRestarts") != "0" })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f.await("the agent starts when the port is free", func() bool { return f.property("ActiveState") == "active" })
	f.must("systemctl", "stop", "warrend")
	f.configure(broker, "workers = 50\nqueue = 64\n")
	f.must("systemctl", "start", "warrend")
}

func (f *folder) testWatchdog(t *testing.T) {
	f.must("mkdir", "-p", "/run/systemd/system/warrend.service.d")
	f.write("run-watchdog.conf", "[Service]\nWatchdogSec=2s\n", 0o644)
	f.must("systemctl", "reset-failed", "warrend") // the tests before have started it often
	f.shell("mv /run-watchdog.conf /run/systemd/system/warrend.service.d/watchdog.conf && systemctl daemon-reload && systemctl restart warrend")
	f.answers("0.0.1")
	task := f.detached("echo begun >>/stuck; sleep 600; echo ended >>/stuck")
	f.await("the command runs", func() bool { return f.exists("stuck") })
	first := f.property("MainPID")
	f.shell("kill -STOP " + first)
	f.await("the watchdog restarts the agent", func() bool {
		pid := f.property("MainPID")
		return pid != first && pid != "0" && f.property("ActiveState") == "active"
	})
	has(t, f.must("journalctl", "--no-pager", "--unit="+unit), "Watchdog timeout", "goroutine ")
	out, _ := f.run("warren", "wait", task)
	has(t, out, "interrupted")
	if got := f.read("stuck"); got != "begun\n" {
		t.Errorf("the command wrote %q", got)
	}
	f.shell("rm /run/systemd/system/warrend.service.d/watchdog.conf && systemctl daemon-reload && systemctl restart warrend")
	f.answers("0.0.1")
}

// testUpgrade upgrades an agent that runs 25 short and 25 long commands, while 10 more wait.
func (f *folder) testUpgrade(t *testing.T) {
	const short, long, waiting = 25, 25, 10
	var script strings.Builder
	add := func(n int, kind, command string) {
		for i := range n {
			fmt.Fprintf(&script, "run 'echo begun >>/%s%d; %s; echo ended >>/%[1]s%[2]d' --hosts host1 --detach --start-timeout 10m\n", kind, i, command)
		}
	}
	add(long, "long", "sleep 600")
	add(short, "short", "until test -e /finish; do sleep 0.1; done")
	add(waiting, "waiting", "true")
	out, _ := f.feed(strings.NewReader(script.String()), "warren")
	tasks := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindAllString(out, -1)
	if len(tasks) != short+long+waiting {
		t.Fatalf("%d tasks:\n%s", len(tasks), out)
	}
	status := func() string { out, _ := f.run("warrend", "status"); return out }
	f.await("50 commands run and 10 wait", func() bool { return strings.Contains(status(), "50 running (limit 50), 10 waiting") })
	// The short commands end while the agent drains.
	f.must("systemd-run", "--collect", "--no-block", "sh", "-c", "until systemctl is-active warrend | grep -q deactivating; do sleep 0.1; done; touch /finish")
	if out = f.install("0.0.2"); strings.Contains(out, "not started") {
		t.Errorf("an upgrade of a running agent prints:\n%s", out)
	}
	has(t, f.must("warrend", "--version"), "0.0.2")
	if got := f.agent(); got != "/usr/bin/warrend" {
		t.Errorf("the agent runs %q, which is not the new program", got)
	}
	f.answers("0.0.2")
	f.feed(strings.NewReader("wait "+strings.Join(tasks, "\nwait ")+"\n"), "warren")
	for _, c := range []struct {
		kind, wrote, outcome string
		n                    int
	}{{"long", "begun\n", "interrupted", long}, {"short", "begun\nended\n", "ok", short}, {"waiting", "begun\nended\n", "ok", waiting}} {
		list := f.must("warren", "tasks", "--host", "host1", "--outcome", c.outcome, "--limit", "200", "--json")
		for i := range c.n {
			if got := f.read(fmt.Sprintf("%s%d", c.kind, i)); got != c.wrote {
				t.Errorf("%s%d wrote %q, want %q", c.kind, i, got, c.wrote)
			}
			if !strings.Contains(list, fmt.Sprintf("/%s%d;", c.kind, i)) {
				t.Errorf("%s%d is not %s", c.kind, i, c.outcome)
			}
		}
	}
	has(t, f.read("etc/warren/warrend.toml"), "host1")
}

// testDowngrade installs the old version again, whose journal is of a later format.
func (f *folder) testDowngrade(t *testing.T) {
	task := f.detached("echo kept")
	f.must("warren", "wait", task)
	f.must("systemctl", "stop", "warrend")
	const journal = "var/lib/warrend/journal.log"
	own := f.read(journal)
	newer := []byte(own)
	const version, sum = 8, 60 // of the header, which has 64 bytes
	binary.LittleEndian.PutUint32(newer[version:], 1000)
	binary.LittleEndian.PutUint32(newer[sum:], crc32.Checksum(newer[:sum], crc32.MakeTable(crc32.Castagnoli)))
	f.write(journal, string(newer), 0o600)
	f.must("dpkg", "-i", "--force-downgrade", "/warren-agent_0.0.1_amd64.deb")
	if out, status := f.run("systemctl", "start", "warrend"); status == 0 {
		t.Errorf("the old agent started: %s", out)
	}
	has(t, f.must("journalctl", "--no-pager", "--lines=20", "--unit="+unit), "format version 1000", "hint: ")
	if f.read(journal) != string(newer) {
		t.Error("the old agent changed the journal")
	}
	f.write(journal, own, 0o600) // what the newer agent still reads
	if out := f.must("dpkg", "-i", "/warren-agent_0.0.2_amd64.deb"); strings.Contains(out, "restarts when this command has ended") {
		t.Errorf("without an agent, the package prints:\n%s", out)
	}
	f.must("systemctl", "start", "warrend")
	f.answers("0.0.2")
	has(t, f.must("warren", "check_task", task), "kept")
}

// testUpgradeThroughWarren installs a package by a command of its own agent: the agent restarts after
// the command. The packages differ in a sample that was edited, about which dpkg would ask.
func (f *folder) testUpgradeThroughWarren(t *testing.T) {
	f.shell("dpkg-deb --raw-extract /warren-agent_0.0.1_amd64.deb /other && echo '# another line' >>/other/etc/warren/warrend.toml && dpkg-deb --build /other /other.deb")
	f.must("dpkg", "-i", "--force-downgrade", "--force-confold", "/other.deb")
	f.answers("0.0.1")
	// A scope is a cgroup outside that of the agent, as a login by su has one.
	for _, prefix := range []string{"", "systemd-run --quiet --scope "} {
		first := f.property("MainPID")
		out := f.must("warren", "run", prefix+"dpkg --force-confold -i /warren-agent_0.0.2_amd64.deb", "--hosts", "host1")
		has(t, out, "the agent restarts when this command has ended", "done: 1 ok")
		f.await("the agent has restarted", func() bool { pid := f.property("MainPID"); return pid != first && pid != "0" })
		f.answers("0.0.2")
	}
	has(t, f.read("etc/warren/warrend.toml"), "host1")
}

// testHardening checks what hardening.conf says about mount and /tmp.
func (f *folder) testHardening(t *testing.T) {
	run := func(command string) {
		t.Helper()
		has(t, f.must("warren", "run", command, "--hosts", "host1"), "done: 1 ok")
	}
	restart := func() {
		t.Helper()
		f.shell("systemctl daemon-reload && systemctl restart warrend")
		f.answers("0.0.2")
	}
	mounted := func() bool { _, status := f.run("mountpoint", "/mnt"); return status == 0 }
	const dropIn = "etc/systemd/system/warrend.service.d/hardening.conf"
	f.shell("install -D -m 0644 /usr/share/doc/warren-agent/examples/hardening.conf /" + dropIn)
	restart()
	run("mount -t tmpfs none /mnt && mountpoint /mnt")
	if mounted() {
		t.Error("hardening.conf says that a mount in a command is not one of the host")
	}
	pid := f.background("touch /tmp/of-a-server")
	f.must("test", "-e", "/proc/"+pid+"/root/tmp/of-a-server")
	restart()
	if _, status := f.run("test", "-d", "/proc/"+pid); status != 0 {
		t.Error("the background process has ended")
	}
	if _, status := f.run("test", "-e", "/proc/"+pid+"/root/tmp/of-a-server"); status == 0 {
		t.Error("hardening.conf says that a restart deletes the files of background processes")
	}
	f.shell("kill " + pid)
	f.shell("sed -i -E '/^(ProtectSystem|ProtectHome|PrivateTmp|ProtectKernelModules|ProtectKernelLogs)=/d' /" + dropIn)
	restart()
	run("mount -t tmpfs none /mnt")
	if !mounted() {
		t.Error("without the lines that hardening.conf names, a mount is not one of the host")
	}
	f.shell("umount /mnt; rm -r /etc/systemd/system/warrend.service.d")
	restart()
}

// testRemoveThroughWarren removes the package by a command of its own agent, which runs for longer than a stop would let it:
// the agent stops after the command, and what an earlier command left in the background survives.
func (f *folder) testRemoveThroughWarren(t *testing.T) {
	pid := f.background("true")
	settings := f.read("etc/warren/warrend.toml")
	f.write("etc/warren/warrend.toml", settings+"drain_grace = \"1s\"\n", 0o600)
	f.must("systemctl", "restart", "warrend")
	f.answers("0.0.2")
	const command = "dpkg --remove warren-agent && sleep 5 && systemctl show --property=KillMode,Type,UnitFileState warrend && echo finished"
	out := f.must("warren", "run", command, "--hosts", "host1")
	has(t, out, "the agent stops when this command has ended", "KillMode=process", "Type=notify", "finished", "done: 1 ok")
	f.removed(t, pid)
	f.write("etc/warren/warrend.toml", settings, 0o600)
	f.install("0.0.2")
	f.must("systemctl", "enable", "--now", "warrend")
	f.answers("0.0.2")

	// A removal from elsewhere waits for the agent, and a background process survives it as well.
	pid = f.background("true")
	f.must("dpkg", "--remove", "warren-agent")
	if program := f.agent(); program != "" {
		t.Errorf("after the removal %s still runs", program)
	}
	f.removed(t, pid)
	f.install("0.0.2")
	f.must("systemctl", "enable", "--now", "warrend")
	f.answers("0.0.2")
}

// background runs a command that leaves a process behind, and returns its process id.
func (f *folder) background(command string) string {
	f.t.Helper()
	const leave = `; rm -f /background; setsid sh -c 'echo $$ >/background; exec sleep 600' </dev/null >/dev/null 2>&1 & until test -s /background; do sleep 0.1; done`
	has(f.t, f.must("warren", "run", command+leave, "--hosts", "host1"), "done: 1 ok")
	return strings.TrimSpace(f.read("background"))
}

// removed waits until the agent has stopped, and checks that its unit is gone and that the background
// process pid has survived, which it ends.
func (f *folder) removed(t *testing.T, pid string) {
	t.Helper()
	f.await("the agent has stopped, and systemd has no unit", func() bool { return f.agent() == "" && f.property("LoadState") == "not-found" })
	for _, name := range []string{"run/systemd/system/warrend.service", "etc/systemd/system/multi-user.target.wants/warrend.service", "usr/bin/warrend"} {
		if _, status := f.run("test", "-e", "/"+name); status == 0 {
			t.Errorf("%s is still there", name)
		}
	}
	if out := f.must("dpkg", "--audit"); out != "" {
		t.Errorf("dpkg has half a removal:\n%s", out)
	}
	if _, status := f.run("sh", "-c", "kill "+pid); status != 0 {
		t.Error("the background process of an earlier command has ended")
	}
}

func (f *folder) testRemove(t *testing.T) {
	f.must("dpkg", "--remove", "warren-agent")
	if program := f.agent(); program != "" {
		t.Errorf("%s still runs", program)
	}
	if f.exists("usr/bin/warrend") {
		t.Error("the program is still there")
	}
	for _, name := range []string{"var/lib/warrend/decisions.log", "var/lib/warrend/journal.log", "etc/warren/warrend.toml", "etc/warren/authorized_operators"} {
		if !f.exists(name) {
			t.Errorf("%s is gone", name)
		}
	}
	out := f.install("0.0.2") // finds its operators
	has(t, out, "the agent is not started", "systemctl enable --now warrend")
	if strings.Contains(out, "ssh-ed25519") {
		t.Errorf("the package asks for operators that the file has:\n%s", out)
	}
	if program := f.agent(); program != "" {
		t.Errorf("the installation started %s", program)
	}
}

func (f *folder) testPurgeThroughWarren(t *testing.T) {
	settings, operators := f.read("etc/warren/warrend.toml"), f.read("etc/warren/authorized_operators")
	f.must("systemctl", "enable", "--now", "warrend")
	f.answers("0.0.2")
	out := f.must("warren", "run", "dpkg --purge warren-agent && sleep 3 && echo finished", "--hosts", "host1")
	has(t, out, "the agent stops when this command has ended", "finished", "done: 1 ok")
	f.await("the agent has stopped", func() bool { return f.agent() == "" && f.property("LoadState") == "not-found" })
	for _, name := range []string{"var/lib/warrend", "etc/warren"} {
		if f.exists(name) {
			t.Errorf("%s is still there", name)
		}
	}
	f.install("0.0.2")
	f.write("etc/warren/warrend.toml", settings, 0o600)
	f.write("etc/warren/authorized_operators", operators, 0o644)
}

func (f *folder) testPurge(t *testing.T) {
	f.write("etc/warren/broker-password", "secret", 0o600)
	f.must("dpkg", "--purge", "warren-agent")
	for _, name := range []string{"var/lib/warrend", "etc/warren"} {
		if f.exists(name) {
			t.Errorf("%s is still there", name)
		}
	}
	has(t, f.must("warren", "tasks"), "echo kept") // the operator's data is not the agent's
	f.must("dpkg", "--purge", "warren")
	if _, err := os.Lstat(f.path("usr/bin/warren")); err == nil {
		t.Error("the operator's program is still there")
	}
}

//go:build linux

package packages

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

const tree = "../../.."

// block returns the code block of a page that contains a text.
func block(t *testing.T, page, contains string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], contains) {
			return m[1]
		}
	}
	t.Fatalf("docs/%s has no block with %q", page, contains)
	return ""
}

// commands returns the lines of a block that are typed at a shell.
func commands(block string) (lines []string) {
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// The commands of docs/install.md, docs/upgrade.md, docs/backup.md, docs/monitoring.md, docs/recipes.md
// and docs/operations.md, in a folder where the agent is installed without a package.
func TestDocumentedCommands(t *testing.T) {
	eachFolder(t, func(t *testing.T, f *folder) {
		f.shell("mkdir -p /src/bin /old /new && dpkg -x /warren-agent_0.0.1_amd64.deb /old && dpkg -x /warren-agent_0.0.2_amd64.deb /new && " +
			"cp /old/usr/bin/warrend /src/bin/ && dpkg -i /warren_0.0.1_amd64.deb")
		if err := os.CopyFS(f.path("src/packaging"), os.DirFS(filepath.Join(tree, "packaging"))); err != nil {
			t.Fatal(err)
		}
		f.installByHand(t)
		f.upgradeByHand(t)
		f.upgradeByScript(t)
		f.backUpResults(t)
		f.replaceJournal(t)
		f.rotateLogs(t)
		f.backgroundServices(t)
		f.uninstallByHand(t)
		f.must("rm", "/root/id_ed25519", "/root/id_ed25519.pub") // configure makes a key, and permits it
		f.installByHand(t)
		f.changeToPackage(t)
	})
}

func (f *folder) installByHand(t *testing.T) {
	for _, command := range commands(block(t, "install.md", "bin/warrend /usr/local/bin/")) {
		if strings.HasPrefix(command, "vi ") {
			f.configure(rabbittest.URL(t), "")
		} else {
			f.shell("cd /src && " + command)
		}
	}
	f.answers("0.0.1")
}

func (f *folder) upgradeByHand(t *testing.T) {
	command := commands(block(t, "upgrade.md", "systemctl stop warrend"))
	f.shell("cd /new/usr/bin && " + strings.Join(command, "\n"))
	f.answers("0.0.2")
}

// upgradeByScript runs upgrade.sh through Warren, here back to the old version.
func (f *folder) upgradeByScript(t *testing.T) {
	program := []byte(f.read("old/usr/bin/warrend"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(program) }))
	defer server.Close()
	text := block(t, "upgrade.md", "cat upgrade.sh")
	_, script, _ := strings.Cut(text, "cat upgrade.sh\n")
	script, _, _ = strings.Cut(script, "$ warren run")
	f.write("root/upgrade.sh", script, 0o644)
	sum := sha256.Sum256(program)
	run := commands(text)[1]
	for _, replacement := range [][2]string{
		{"https://files.example/warrend", server.URL + "/warrend"},
		{"SHA256", hex.EncodeToString(sum[:])},
		{`"web[01-20]"`, "host1"},
	} {
		if !strings.Contains(run, replacement[0]) {
			t.Fatalf("no %q in %q", replacement[0], run)
		}
		run = strings.ReplaceAll(run, replacement[0], replacement[1])
	}
	wrong := strings.ReplaceAll(run, hex.EncodeToString(sum[:]), strings.Repeat("0", 64))
	if out, status := f.run("sh", "-c", "cd /root && "+wrong); status != 1 {
		t.Errorf("with a wrong checksum: status %d\n%s", status, out)
	}
	has(t, f.shell("cd /root && "+run), "done: 1 ok")
	f.answers("0.0.1")
	has(t, f.must("/usr/local/bin/warrend", "--version"), "0.0.1")
}

func (f *folder) backUpResults(t *testing.T) {
	before := f.must("warren", "tasks", "--limit", "5", "--json")
	f.shell("mkdir /backup")
	for _, way := range []string{".backup", "VACUUM INTO"} {
		command := strings.Join(commands(block(t, "backup.md", way)), "\n")
		f.shell("umask 022\n" + command)
		has(t, f.must("stat", "--format=%a", "/backup/results.db"), "600")
		f.shell(command) // as on the next day
		f.write("root/.local/share/warren/results.db", "damaged", 0o600)
		f.shell(strings.Join(commands(block(t, "backup.md", "mkdir -p damaged")), "\n"))
		if after := f.must("warren", "tasks", "--limit", "5", "--json"); after != before {
			t.Errorf("after %q:\n%s\nbefore:\n%s", command, after, before)
		}
		f.shell("rm -r /root/.local/share/warren/damaged")
	}
}

func (f *folder) replaceJournal(t *testing.T) {
	f.shell(strings.Join(commands(block(t, "backup.md", "journal.log.old")), "\n"))
	f.answers("0.0.1")
	if !f.exists("root/journal.log.old") || !f.exists("var/lib/warrend/journal.log") {
		t.Error("the journal was not replaced")
	}
}

func (f *folder) rotateLogs(t *testing.T) {
	f.shell("cd /src && " + strings.Join(commands(block(t, "monitoring.md", "logrotate -d")), "\n"))
	f.shell(`useradd --create-home alice && install -d -o alice /home/alice/.local /home/alice/.local/share && cp /src/packaging/logrotate/warren /etc/logrotate.d/
		cp -a /root/.local/share/warren /home/alice/.local/share/ && chown -R alice:alice /home/alice && cp /root/id_ed25519 /home/alice/ && chown alice /home/alice/id_ed25519`)
	decisions := f.read("var/lib/warrend/decisions.log")
	for _, name := range []string{"warrend", "warren"} {
		out := f.must("logrotate", "--force", "--verbose", "/etc/logrotate.d/"+name)
		if strings.Contains(out, "error:") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
	if got := f.shell("zcat /var/lib/warrend/decisions.log-*.gz"); got != decisions {
		t.Errorf("the rotated file has %d bytes, the log had %d", len(got), len(decisions))
	}
	f.must("ls", "/home/alice/.local/share/warren/execute_command.log-"+strings.TrimSpace(f.must("date", "+%Y%m%d")))
	f.must("setpriv", "--reuid=alice", "--clear-groups", "env", "HOME=/home/alice", "WARREN_IDENTITY=/home/alice/id_ed25519", "warren", "run", "true", "--hosts", "host1")
	has(t, f.must("stat", "--format=%a %U", "/home/alice/.local/share/warren/execute_command.log"), "600 alice")
	if decisions = f.read("var/lib/warrend/decisions.log"); decisions == "" || strings.Contains(decisions, "\x00") {
		t.Errorf("after the rotation the agent has written %q", decisions)
	}
}

// backgroundServices starts services of systemd: they run on, and count as left running by no command.
func (f *folder) backgroundServices(t *testing.T) {
	f.shell("mkdir -p /root/.config/warren && printf 'roles: {app: host1}\\n' >/root/.config/warren/groups.yaml")
	f.write("usr/local/bin/long-job", "#!/bin/sh\nexec sleep 600\n", 0o755)
	f.write("etc/systemd/system/myapp.service", "[Service]\nExecStart=/usr/local/bin/long-job\n", 0o644)
	f.must("systemctl", "daemon-reload")
	n := 0
	for _, command := range commands(block(t, "recipes.md", "systemctl restart myapp")) {
		if !strings.Contains(command, "system") {
			continue // cmd/warren tests it
		}
		n++
		if out := f.shell(command); !strings.Contains(out, "done: 1 ok\n") || strings.Contains(out, "left running") {
			t.Errorf("%s:\n%s", command, out)
		}
	}
	if n != 2 {
		t.Errorf("docs/recipes.md has %d commands with systemd", n)
	}
	has(t, f.must("systemctl", "is-active", "myapp", "job1"), "active\nactive\n")
	f.must("systemctl", "stop", "myapp", "job1")
}

func (f *folder) uninstallByHand(t *testing.T) {
	f.shell(strings.Join(commands(block(t, "operations.md", "systemctl disable --now warrend")), "\n"))
	for _, name := range []string{"etc/warren", "var/lib/warrend", "usr/local/bin/warrend", "etc/systemd/system/warrend.service"} {
		if f.exists(name) {
			t.Errorf("%s is still there", name)
		}
	}
	if out, status := f.run("systemctl", "is-active", "warrend"); status == 0 {
		t.Errorf("the service is %s", out)
	}
}

// changeToPackage installs the package over an agent without one.
func (f *folder) changeToPackage(t *testing.T) {
	out := f.must("dpkg", "--force-confold", "-i", "/warren-agent_0.0.1_amd64.deb")
	has(t, out, "/etc/systemd/system/warrend.service hides the unit of this package", "/usr/local/bin/warrend")
	if program := f.agent(); program != "/usr/local/bin/warrend" {
		t.Errorf("before the old unit is removed, the service runs %q", program)
	}
	for _, command := range commands(block(t, "install.md", "--force-confold -i warren-agent")) {
		out = f.shell("cd / && " + strings.ReplaceAll(command, "1.0.0", "0.0.2"))
		if strings.Contains(out, "hides the unit") {
			t.Errorf("%s:\n%s", command, out)
		}
	}
	f.answers("0.0.2")
	if program := f.agent(); program != "/usr/bin/warrend" {
		t.Errorf("the service runs %q", program)
	}
}

// Copies of the results have all commands and their output. sqlite3 is a stub that makes the file.
func TestCopiesOfResultsArePrivate(t *testing.T) {
	dir := t.TempDir()
	stub := "#!/bin/sh\n: >" + dir + "/results.db\n"
	if err := os.WriteFile(filepath.Join(dir, "sqlite3"), []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{".backup", "VACUUM INTO"} {
		command := strings.Join(commands(block(t, "backup.md", way)), "\n")
		if !strings.Contains(command, "/backup/results.db") {
			t.Fatalf("docs/backup.md has the command %q", command)
		}
		cmd := exec.Command("sh", "-e", "-c", "umask 022\n"+strings.ReplaceAll(command, "/backup/", dir+"/"))
		cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		info, err := os.Stat(filepath.Join(dir, "results.db"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the mode is %v", command, info.Mode())
		}
		if err := os.Remove(filepath.Join(dir, "results.db")); err != nil {
			t.Fatal(err)
		}
	}
}

// The commands that remove an agent from macOS name each file of the property list, and the agent's
// directory.
func TestUninstallOnMacOSNamesAllFiles(t *testing.T) {
	plist, err := os.ReadFile(filepath.Join(tree, "packaging/launchd/io.warren.warrend.plist"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(commands(block(t, "operations.md", "launchctl bootout")), "\n")
	has(t, text, "/Library/LaunchDaemons/io.warren.warrend.plist", `"/Library/Application Support/Warren"`)
	paths := regexp.MustCompile(`<string>(/.*)</string>`).FindAllStringSubmatch(string(plist), -1)
	if len(paths) < 2 {
		t.Errorf("the property list has the files %q", paths)
	}
	for _, m := range paths {
		has(t, text, m[1])
	}
}

// The images are OCI layouts: skopeo reads them, and the program in the layer runs on the empty file
// system of the image.
func TestImages(t *testing.T) {
	if *packages == "" {
		t.Skip("make packages-test makes the packages")
	}
	for file, program := range map[string]string{"warren-0.0.2-image.tar": "warren", "warren-agent-0.0.2-image.tar": "warrend"} {
		image := "oci-archive:" + filepath.Join(*packages, file)
		out, err := exec.Command("skopeo", "inspect", image).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		has(t, string(out), `"org.opencontainers.image.version": "0.0.2"`, `"Architecture": "amd64"`)
		dir, root := t.TempDir(), t.TempDir()
		script := `skopeo copy --quiet "$1" "dir:$2" && tar -xzf "$2/$(sed -n 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/p' "$2/manifest.json" | tail -n 1)" -C "$3"`
		if out, err := exec.Command("sh", "-c", script, "sh", image, dir, root).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err = exec.Command("chroot", root, "/usr/bin/"+program, "--version").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "0.0.2") {
			t.Errorf("%s --version: %v\n%s", program, err, out)
		}
	}
}

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/internal/agent/sdnotify"
	"warren/internal/agent/trust"
	"warren/internal/hint"
)

const packaging = "../../packaging"

// uncommented reads a sample file and activates its examples: "#name" becomes "name".
func uncommented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, "config", name))
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile(`(?m)^#([^ \n])`)
	if !example.Match(text) {
		t.Fatalf("%s has no examples", name)
	}
	return example.ReplaceAllString(string(text), "$1")
}

func TestSampleConfigurationIsAccepted(t *testing.T) {
	text := uncommented(t, "warrend.toml")
	status, out, errs := settingsOf(t, text, "--show-config")
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	for _, setting := range []string{"broker", "id", "alias", "inbox", "workers", "results_retention", "label"} {
		if !regexp.MustCompile(`(?m)^` + setting + ` .*warrend\.toml:\d+$`).MatchString(out) {
			t.Errorf("%s does not come from the sample:\n%s", setting, out)
		}
	}
}

func TestSampleConfigurationShowsDefaults(t *testing.T) {
	const unset = "--config="
	_, out, _ := settingsOf(t, uncommented(t, "warrend.toml"), "--show-config")
	_, defaults, _ := settingsOf(t, "", unset, "--show-config")
	value := func(table, setting string) string {
		m := regexp.MustCompile(`(?m)^` + setting + ` +(\S+)`).FindStringSubmatch(table)
		if m == nil {
			t.Fatalf("no %s in:\n%s", setting, table)
		}
		return m[1]
	}
	for _, setting := range []string{"queue", "results_retention", "output_size"} {
		if got, want := value(out, setting), value(defaults, setting); got != want {
			t.Errorf("the sample says %s = %s, the default is %s", setting, got, want)
		}
	}
}

func TestSampleAuthorizedOperatorsAreAccepted(t *testing.T) {
	text := uncommented(t, "authorized_operators")
	if _, err := trust.ParseOperators("authorized_operators", []byte(text)); err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`(?m)^[^#\n]`).FindAllString(text, -1)); n != 3 {
		t.Errorf("%d examples, want 3", n)
	}
}

// directives returns the settings of a unit file's [Service] section.
func directives(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, "systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	_, service, _ := strings.Cut(string(text), "[Service]")
	service, _, _ = strings.Cut(service, "\n[")
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+)=`).FindAllStringSubmatch(service, -1) {
		names = append(names, m[1])
	}
	return names
}

// Commands inherit what a unit restricts, so the default unit restricts nothing.
func TestDefaultUnitRestrictsNoCommand(t *testing.T) {
	harmless := []string{
		"ExecStart", "ExecReload", "Type", "TimeoutStartSec", "WatchdogSec", "Restart", "RestartSec", "RestartPreventExitStatus", "TimeoutStopSec", "KillMode", "Delegate",
		"StateDirectory", "StateDirectoryMode", "Environment",
	}
	for _, d := range directives(t, "warrend.service") {
		if !slices.Contains(harmless, d) {
			t.Errorf("%s= may restrict commands", d)
		}
	}
}

// After an error of the configuration, another start would end in the same way. A crash exits with 2.
func TestSystemdDoesNotRestartAfterConfigurationErrors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(packaging, "systemd/warrend.service"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "notify"))
	status, _, errs := settingsOf(t, "no_such_setting = 1")
	if want := fmt.Sprintf("\nRestartPreventExitStatus=%d\n", status); status == 2 || !strings.Contains(string(text), want) {
		t.Errorf("status %d: %s; warrend.service has no %q", status, errs, want)
	}
}

func TestHardeningExplainsEachRestriction(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(packaging, "systemd/warrend.service.d/hardening.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(directives(t, "warrend.service.d/hardening.conf")) < 10 {
		t.Error("hardening.conf restricts little")
	}
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(paragraph), "\n")
		if last := lines[len(lines)-1]; len(lines) < 2 || !strings.HasPrefix(lines[0], "# ") {
			t.Errorf("%s has no comment", last)
		}
	}
}

// With each of these, a mount in a command is not one of the host. To mount on the host, all must be deleted.
func TestHardeningNamesEachMountNamespace(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(packaging, "systemd/warrend.service.d/hardening.conf"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "[Service]")
	n := 0
	for _, d := range directives(t, "warrend.service.d/hardening.conf") {
		if regexp.MustCompile(`^(ProtectSystem|ProtectHome|ProtectKernel\w+|ProtectControlGroups|ProtectProc|ProtectHostname|ProcSubset|Private(Tmp|Devices|Mounts|IPC)|\w+Paths|TemporaryFileSystem|MountFlags)$`).MatchString(d) {
			n++
			if !strings.Contains(head, d) {
				t.Errorf("the head of hardening.conf does not name %s", d)
			}
		}
	}
	if n < 5 || !strings.Contains(head, "mount namespace") {
		t.Errorf("%d lines give the agent a mount namespace; the head says:\n%s", n, head)
	}
}

// Each of these closes the devices that it does not name, in some version of systemd: commands could not
// use disks and tunnels.
func TestHardeningClosesNoDevice(t *testing.T) {
	for _, d := range directives(t, "warrend.service.d/hardening.conf") {
		if slices.Contains([]string{"ProtectClock", "PrivateDevices", "DeviceAllow", "DevicePolicy"}, d) {
			t.Errorf("%s= closes devices", d)
		}
	}
}

func TestUnitIsValid(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	dir := t.TempDir()
	unit, err := os.ReadFile(filepath.Join(packaging, "systemd/warrend.service"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/warrend", "/bin/true")
	path := filepath.Join(dir, "warrend.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(path+".d", os.DirFS(filepath.Join(packaging, "systemd/warrend.service.d"))); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(verify, "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v\n%s", err, out)
	}
}

// systemd restarts an agent that ends or is stuck, and waits until it holds its id.
func TestUnitSupervisesAgent(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join(packaging, "systemd/warrend.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Type=notify", "WatchdogSec=60s", "Restart=always", "TimeoutStartSec=5min"} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if sdnotify.ReadyTimeout >= 5*time.Minute {
		t.Errorf("systemd would end an agent that waits %v for the broker", sdnotify.ReadyTimeout)
	}
}

// The service files wait for as long as an agent with the default settings may take to stop.
func TestServiceManagersWaitForStop(t *testing.T) {
	var f flags
	parser, err := newParser(&f, "", "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	seconds := f.stopTimeout().Seconds()
	for name, want := range map[string]string{
		"systemd/warrend.service":         "\nTimeoutStopSec=%vs\n",
		"launchd/io.warren.warrend.plist": "<key>ExitTimeOut</key>\n  <integer>%v</integer>",
		"openrc/warrend":                  "\nretry=${retry:-TERM/%v/KILL/5}\n",
	} {
		text, err := os.ReadFile(filepath.Join(packaging, name))
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf(want, seconds); !strings.Contains(string(text), line) {
			t.Errorf("%s has no %q", name, line)
		}
	}
	f.DrainGrace += time.Minute
	if got := f.stopTimeout().Seconds(); got != seconds+60 {
		t.Errorf("with a minute more for commands, a stop takes %v s", got)
	}
}

func TestServiceIsForWindows(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it is")
	}
	for _, command := range []string{"install", "remove", "start", "stop", "status"} {
		status, out, errs := settingsOf(t, "", "service", command)
		if status != 2 || out != "" || !strings.Contains(errs, "error: warrend service is for Windows\nhint: use systemd or launchd") {
			t.Errorf("%s: status %d, %q %q", command, status, out, errs)
		}
	}
}

// A service has no standard error. Its log gets the errors that are found before the service runs.
func TestServiceLogsWrongSettings(t *testing.T) {
	wrong := hint.New("warrend.toml:1: no_such_setting is no setting", "warrend --help")
	for _, c := range []struct {
		args            []string
		isService       bool
		inLog, inErrors bool
	}{
		{[]string{"service", "run", "--config", "warrend.toml"}, true, true, false},
		{[]string{"service", "run"}, false, false, true}, // typed by hand
		{[]string{"service", "install"}, true, false, true},
		{nil, true, false, true},
	} {
		var log, stderr bytes.Buffer
		run := func(_ slog.Level, agent func(context.Context, slog.Handler) int) error {
			if !c.isService {
				return errors.New("not started by the service manager")
			}
			if status := agent(t.Context(), slog.NewTextHandler(&log, nil)); status != exitUsage {
				t.Errorf("%q: the service ends with %d", c.args, status)
			}
			return nil
		}
		if status := failStart(c.args, &stderr, wrong, run); status != exitUsage {
			t.Errorf("%q: exit status %d", c.args, status)
		}
		for _, text := range []string{"warrend.toml:1", "warrend --help"} {
			if strings.Contains(log.String(), text) != c.inLog || strings.Contains(stderr.String(), text) != c.inErrors {
				t.Errorf("%q: log %q, standard error %q", c.args, log.String(), stderr.String())
			}
		}
	}
}

// A flag of the installation would not reach the service.
func TestServiceTakesSettingsFromFile(t *testing.T) {
	status, _, errs := settingsOf(t, "", "service", "install", "--workers", "3")
	if status != 2 || !strings.Contains(errs, "not from --workers\nhint: write workers into FILE") {
		t.Errorf("status %d: %s", status, errs)
	}
}

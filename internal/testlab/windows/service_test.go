//go:build linux

package windows

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

// service runs warrend service, and wants an exit status.
func (p *place) service(status int, args ...string) string {
	p.t.Helper()
	cmd := p.command(p.t.Context(), p.agent, "warrend", append([]string{"service"}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(out), "\r", "")
	if got := cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("warrend service %q: status %d, want %d\n%s", args, got, status, text)
	}
	return text
}

// awaitService waits until the service's status has a text.
func (p *place) awaitService(status int, part string) {
	p.t.Helper()
	err := clitest.Eventually(func() error {
		cmd := p.command(p.t.Context(), p.agent, "warrend", "service", "status")
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status || !strings.Contains(string(out), part) {
			return fmt.Errorf("status %v: %s", cmd.ProcessState, out)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestService runs the agent as a service of Windows.
func TestService(t *testing.T) {
	p := newPlace(t, linux, windows)
	dir := p.agentDir()
	at := p.agent.path(dir)
	config := fmt.Sprintf("broker = '%s'\nid = '%s'\ndata_dir = '%s\\data'\nauthorized_operators = '%s\\authorized_operators'\ndrain_grace = '1s'\nclock_tolerance = '10ms'\n",
		p.broker, p.host, at, at)
	configure := func(text string) {
		if err := os.WriteFile(dir+"/warrend.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(config)
	// While a program runs, wine does not boot again. A boot starts the service.
	p.start("--id", p.host+"-second", "--data-dir", at+`\second`)
	p.has(p.service(3, "status"), "it is not installed", "hint: warrend service install")
	p.service(0, "install", "--config", at+`\warrend.toml`)
	t.Cleanup(func() {
		_, _ = p.command(t.Context(), p.agent, "warrend", "service", "remove").CombinedOutput()
	})
	p.has(p.service(2, "install", "--config", at+`\warrend.toml`), "is installed already", "hint: warrend service remove")
	p.has(p.service(3, "status"), "stopped")
	t.Run("runs commands until it stops", p.sub(func(p *place) {
		p.service(0, "start")
		p.awaitService(0, "running, process ")
		if err := clitest.Eventually(func() error {
			out, err := p.command(p.t.Context(), p.operator, "warren", "run", "--hosts", p.host, "echo from a service").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "from a service") {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}); err != nil {
			p.t.Fatal(err)
		}
		p.service(0, "stop")
		p.has(p.service(3, "status"), "stopped", "its last exit status is 0")
	}))
	// The event log has the cause. The service ends as one, and does not only fail to start.
	t.Run("ends with 2 if a setting is wrong", p.sub(func(p *place) {
		configure(config + "no_such_setting = 1\n")
		_, _ = p.command(p.t.Context(), p.agent, "warrend", "service", "start").CombinedOutput() // it may run for a moment
		p.awaitService(3, "its last exit status is 2")
		configure(config)
		p.service(0, "start")
		p.service(0, "stop")
		p.has(p.service(3, "status"), "its last exit status is 0")
	}))
	// The program ends with 2 then too: see TestUnusualDataDirectory.
	t.Run("ends with 2 if another agent has its directory", p.sub(func(p *place) {
		a := p.start()
		_, _ = p.command(p.t.Context(), p.agent, "warrend", "service", "start").CombinedOutput() // it may run for a moment
		p.awaitService(3, "its last exit status is 2")
		if err := a.Kill(); err != nil {
			p.t.Fatal(err)
		}
	}))
	t.Run("has a source in the event log", p.sub(func(p *place) {
		p.start()
		p.has(p.run(0, `reg query HKLM\System\CurrentControlSet\Services\EventLog\Application\warrend`), "EventMessageFile", "TypesSupported")
	}))
	p.service(0, "remove")
	p.has(p.service(3, "status"), "it is not installed")
}

// warrend status says what it needs, where Windows has no Unix sockets, as wine.
func TestStatusNeedsUnixSockets(t *testing.T) {
	p := newPlace(t, linux, windows)
	out, err := p.command(t.Context(), windows, "warrend", "status", "--data-dir", p.agent.path(p.agentDir())).CombinedOutput()
	if err == nil {
		t.Errorf("no error: %s", out)
	}
	p.has(string(out), "error: ask the agent: ", "hint: warrend status needs Windows 10 version 1803")
}

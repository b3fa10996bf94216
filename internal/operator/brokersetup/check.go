package brokersetup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"warren/internal/hint"
)

// checkTimeout is for four calls of rabbitmqctl on a busy machine.
const checkTimeout = 5 * time.Minute

// RunCheck runs the script of Check on this machine, and returns what it prints.
func (c Config) RunCheck(ctx context.Context) (findings []string, err error) {
	script, err := c.Check()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	findings = []string{}
	for line := range strings.Lines(out.String()) {
		findings = append(findings, strings.TrimSpace(line))
	}
	var exit *exec.ExitError
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("rabbitmqctl took longer than %v", checkTimeout)
	}
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || len(findings) == 0) {
		return nil, c.checkFailed(err, messages.String())
	}
	return findings, nil
}

// checkFailed explains why the script could not check the virtual host.
func (c Config) checkFailed(err error, messages string) error {
	text := err.Error()
	for line := range strings.Lines(messages) {
		line = strings.TrimSpace(line)
		if line != "" && line != "Error:" && !strings.HasPrefix(line, "hint: ") {
			text = strings.TrimPrefix(strings.TrimPrefix(line, "error: "), "Error: ")
			break
		}
	}
	return hint.Errorf("run it on a node of the broker, as root; broker-setup without --check prints a script that checks too",
		"cannot check virtual host %q: %s", c.Vhost, text)
}

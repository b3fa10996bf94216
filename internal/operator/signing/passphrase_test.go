//go:build unix

package signing

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs the program that signs twice on a real terminal, its output
// on a pipe, and answers each question with the next of the answers.
func (d *desk) onTerminal(identity string, answers ...string) (screen, out string, status int) {
	d.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIGNING_TEST_IDENTITY="+identity)
	var stdout bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader(""), &stdout
	tty, pts, err := pty.Open()
	if err != nil {
		d.t.Fatal(err)
	}
	defer tty.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.ExtraFiles = []*os.File{pts}
	err = cmd.Start()
	pts.Close()
	if err != nil {
		d.t.Fatal(err)
	}
	for buf := make([]byte, 1024); ; {
		n, err := tty.Read(buf)
		screen += string(buf[:n])
		if err != nil {
			break // the other side is closed
		}
		if asked := strings.Count(screen, "Enter passphrase"); asked > 0 && strings.HasSuffix(screen, "': ") && len(answers) > 0 {
			if _, err := tty.WriteString(answers[0]); err != nil {
				d.t.Fatal(err)
			}
			answers = answers[1:]
			screen += " " // so that the next question is a new one
		}
	}
	_ = cmd.Wait() // the state says how it ended
	if len(answers) > 0 {
		d.t.Errorf("not asked for %q", answers)
	}
	return screen, stdout.String(), cmd.ProcessState.ExitCode()
}

var signatureLine = regexp.MustCompile(`(?m)^signature (\S+)$`)

func TestEncryptedKey(t *testing.T) {
	d := newDesk(t)
	d.key("new", "ed25519", "hunter2")
	d.key("old", "ecdsa -m PEM", "hunter2")
	for _, name := range []string{"new", "old"} {
		fingerprint := strings.Fields(d.run("", "ssh-keygen", "-l", "-f", d.path(name+".pub")))[1]
		t.Run(name+", asked once", func(t *testing.T) {
			screen, out, status := d.onTerminal(d.path(name), "hunter2\r")
			sigs := signatureLine.FindAllStringSubmatch(out, -1)
			if status != 0 || len(sigs) != 2 {
				t.Fatalf("status %d: %s\n%s", status, out, screen)
			}
			if n := strings.Count(screen, "Enter passphrase for key '"+d.path(name)+"': "); n != 1 {
				t.Errorf("asked %d times: %q", n, screen)
			}
			if strings.Contains(screen, "hunter2") {
				t.Errorf("shown: %q", screen)
			}
			if !strings.Contains(out, "before: "+fingerprint) {
				t.Errorf("not known before it is unlocked: %s", out)
			}
		})
	}
	t.Run("mistyped twice", func(t *testing.T) {
		screen, out, status := d.onTerminal(d.path("new"), "wrong\r", "\r", "hunter2\r")
		if status != 0 || len(signatureLine.FindAllString(out, -1)) != 2 {
			t.Errorf("status %d: %s\n%s", status, out, screen)
		}
	})
	t.Run("mistyped three times", func(t *testing.T) {
		_, out, status := d.onTerminal(d.path("new"), "wrong\r", "wrong\r", "wrong\r")
		if status != 2 || !strings.Contains(out, "that is not its passphrase\nhint: ") || strings.Contains(out, "wrong") {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		_, out, status := d.onTerminal(d.path("new"), "hun\x03")
		if status != 2 || !strings.Contains(out, "is encrypted: nothing was entered\nhint: ssh-add") {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("no terminal", func(t *testing.T) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SIGNING_TEST_IDENTITY="+d.path("new"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.Stdin = strings.NewReader("hunter2\n") // is not asked there
		out, _ := cmd.Output()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "is encrypted: there is no terminal to ask on") || !strings.Contains(string(out), "\nhint: ssh-add "+d.path("new")) {
			t.Errorf("%s", out)
		}
	})
	t.Run("ssh-agent has it", func(t *testing.T) {
		plain := d.key("plain", "ed25519", "")
		d.agent(plain)
		d.run("", "ssh-keygen", "-q", "-p", "-f", plain, "-P", "", "-N", "hunter2")
		s := d.choose(plain) // Options.Passphrase is nil: to ask would panic
		d.accepted(s, d.read("plain.pub"))
	})
}

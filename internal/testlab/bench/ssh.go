package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"warren/internal/testlab/child"
	"warren/internal/testlab/lab"
)

// sshd starts only by its full path.
const sshd = "/usr/sbin/sshd"

// An sshFleet is hosts that are SSH servers on ports of the loopback interface, each with a
// directory of its own at one path.
type sshFleet struct {
	dir     string
	hosts   int
	servers []*child.Process
}

// startSSH starts the servers and opens a connection to each.
func startSSH(ctx context.Context, dir, target string, hosts int) (*sshFleet, error) {
	s := &sshFleet{dir: dir, hosts: hosts}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll("/run/sshd", 0o755)); err != nil {
		return s, err
	}
	for _, name := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			return s, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	var config strings.Builder
	for i := range hosts {
		port, err := s.serve(i, target)
		if err != nil {
			return s, err
		}
		fmt.Fprintf(&config, "Host ssh-%d\n Port %d\n", i+1, port)
	}
	fmt.Fprintf(&config, "Host *\n HostName 127.0.0.1\n User root\n IdentityFile %[1]s/user\n IdentitiesOnly yes\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n ControlMaster auto\n ControlPath %[1]s/%%p\n ControlPersist 10m\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config.String()), 0o600); err != nil {
		return s, err
	}
	var err error
	for range 50 { // the servers take a moment
		if err = s.clush("true"); err == nil || wait(ctx, 200*time.Millisecond) != nil {
			break
		}
	}
	return s, err
}

// serve starts one server, on a port that is free.
func (s *sshFleet) serve(i int, target string) (port int, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port = ln.Addr().(*net.TCPAddr).Port
	own := filepath.Join(s.dir, fmt.Sprint("host-", i+1))
	if err := errors.Join(ln.Close(), os.Mkdir(own, 0o700)); err != nil {
		return 0, err
	}
	cmd := lab.Private(own, target, sshd, "-D", "-f", "/dev/null", "-h", filepath.Join(s.dir, "host"),
		"-o", fmt.Sprintf("ListenAddress=127.0.0.1:%d", port), "-o", "AuthorizedKeysFile="+filepath.Join(s.dir, "user.pub"),
		"-o", "StrictModes=no", "-o", "PidFile=none", "-o", "PermitRootLogin=prohibit-password", "-o", "Subsystem=sftp internal-sftp", "-o", "UsePAM=no")
	p, err := child.Start(cmd)
	if err != nil {
		return 0, err
	}
	s.servers = append(s.servers, p)
	return port, nil
}

// clush runs it on all hosts at the same time.
func (s *sshFleet) clush(args ...string) error {
	all := append([]string{"-S", "-f", fmt.Sprint(s.hosts), "-w", fmt.Sprintf("ssh-[1-%d]", s.hosts), "-o", "-F " + filepath.Join(s.dir, "config")}, args...)
	if out, err := exec.Command("clush", all...).CombinedOutput(); err != nil {
		return fmt.Errorf("clush: %w: %s", err, out)
	}
	return nil
}

// copy copies a file to all hosts.
func (s *sshFleet) copy(file, target string) (time.Duration, error) {
	begin := time.Now()
	err := s.clush("--copy", file, "--dest", target)
	return time.Since(begin), err
}

// stop ends the connections and the servers.
func (s *sshFleet) stop() (err error) {
	for i := range s.hosts {
		_ = exec.Command("ssh", "-F", filepath.Join(s.dir, "config"), "-O", "exit", fmt.Sprint("ssh-", i+1)).Run() // there may be none
	}
	for _, p := range s.servers {
		err = errors.Join(err, p.Stop(stopServer))
	}
	return err
}

const stopServer = 5 * time.Second

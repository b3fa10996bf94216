//go:build unix

package hostile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/files/collect"
	"warren/internal/wire"
)

// newUserScene is a scene whose agent can run jobs as the user nobody.
func newUserScene(t *testing.T) (s *scene, nobody *user.User) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root, and a user nobody")
	}
	s = newScene(t, nil)
	s.check(os.Chmod(s.dataDir, 0o700))
	s.enterable(s.dir)
	return s, nobody
}

// enterable lets every user enter the directories above a path, below that for temporary files.
func (s *scene) enterable(path string) {
	s.t.Helper()
	for dir := filepath.Dir(path); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		s.check(os.Chmod(dir, 0o711))
	}
}

// A command runs as the user that it names, with his ids, groups, home and
// environment, where a line's run-as permits him; a script can be read by him and
// by nobody else.
func TestRunAs(t *testing.T) {
	s, nobody := newUserScene(t)
	t.Setenv("TMPDIR", s.dir)
	output := func(edit func(r *wire.Run)) string {
		t.Helper()
		f := s.forge(wire.TypeRun)
		f.by, f.st.Run.User = s.dave, "nobody"
		edit(f.st.Run)
		s.publish(f.queue, f.make())
		printed := map[string]string{} // in pieces where the command takes long, as on a busy machine
		for {
			switch v := s.reply().(type) {
			case *wire.Ended:
				if v.Outcome != wire.Exited {
					t.Fatalf("%+v", v)
				}
				return printed[wire.Stdout] + string(v.Stdout.Data) + printed[wire.Stderr] + string(v.Stderr.Data)
			case *wire.Output:
				printed[v.Stream] += string(v.Data)
			}
		}
	}
	groups := strings.TrimSpace(output(func(r *wire.Run) { r.Command = "id -G" }))
	if groups != nobody.Gid {
		t.Errorf("groups %q, want %q", groups, nobody.Gid)
	}
	got := output(func(r *wire.Run) { r.Command = `id -u; id -g; echo "$HOME $USER $LOGNAME"; pwd; umask` })
	cwd := nobody.HomeDir
	if _, err := os.Stat(cwd); err != nil {
		cwd = "/"
	}
	if want := nobody.Uid + "\n" + nobody.Gid + "\n" + nobody.HomeDir + " nobody nobody\n" + cwd + "\n"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = output(func(r *wire.Run) {
		r.Command, r.Script = "", []byte("#!/bin/sh\necho \"$1\"; stat -c '%U %a' \"$0\"; stat -c '%U %a' \"$(dirname \"$0\")\"; cat \"$0\" >/dev/null && echo read; ls \"$(dirname \"$0\")\"\n")
		r.Argv = []string{"an argument"}
	})
	if lines := strings.Split(got, "\n"); len(lines) < 5 || lines[0] != "an argument" || lines[1] != "nobody 700" || lines[2] != "root 711" || lines[3] != "read" || !strings.Contains(lines[4], "ermission denied") {
		t.Errorf("the script says %q", got)
	}
	if left := s.touched(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}

	f := s.forge(wire.TypeRun)
	f.by, f.st.Run.User = s.dave, "no-such-user"
	s.want(s.tell(f), `failed_to_start: no such user "no-such-user"`)
	f = s.forge(wire.TypeRun)
	f.by, f.st.Run.User, f.st.Run.Cwd = s.dave, "nobody", s.dataDir
	s.want(s.tell(f), `failed_to_start: permission denied: user "nobody"`)
	check := s.forge(wire.TypeCheck)
	check.by, check.st.Run.User = s.dave, "nobody"
	s.publish(check.queue, check.make())
	if c, ok := s.reply().(*wire.Checked); !ok || !c.WouldRun || c.User != "nobody" || !strings.HasSuffix(c.Rule, ":4 (dave)") || c.Argv[0] != "/bin/sh" || c.Binary != "/bin/sh" {
		t.Errorf("check says %+v", c)
	}
}

// A push writes, and a collect reads, with the rights of the user that it names.
func TestFilesAsUser(t *testing.T) {
	s, nobody := newUserScene(t)
	helper, err := os.Executable()
	s.check(err)
	s.enterable(helper)
	uid, err := strconv.Atoi(nobody.Uid)
	s.check(err)
	dir := filepath.Join(s.dir, "nobody's")
	s.check(errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, uid, -1)))

	st := &stream{scene: s, queue: wire.FileQueue("alice", newRandom()), key: make([]byte, 32), content: make([]byte, 2*wire.MaxFileChunk+100)}
	_, _ = rand.Read(st.key) // never fails
	_, _ = rand.Read(st.content)
	st.publishAll([]amqp.Publishing{st.chunk(0), st.chunk(1), st.chunk(2)})
	push := func(target string) (exitCode int, printed string) {
		t.Helper()
		st.target = target
		f := st.push()
		f.by, f.st.Run.User = s.dave, "nobody"
		s.publish(f.queue, f.make())
		ended, printed := s.pushEnded()
		return *ended.ExitCode, printed
	}
	pushed := filepath.Join(dir, "pushed")
	if code, printed := push(pushed); code != 0 {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	content, err := os.ReadFile(pushed)
	s.check(err)
	info, err := os.Stat(pushed)
	s.check(err)
	if owner := info.Sys().(*syscall.Stat_t).Uid; !bytes.Equal(content, st.content) || int(owner) != uid {
		t.Errorf("the file has %d bytes and the owner %d, want %d and %d", len(content), owner, len(st.content), uid)
	}
	refused := filepath.Join(s.dir, "refused")
	if code, printed := push(refused); code != 1 || !strings.Contains(printed, "permission denied") {
		t.Errorf("in a directory of root: exit code %d, %s", code, printed)
	}
	if left := s.touched(); len(left) != 1 {
		t.Errorf("the directory of root has %q", left)
	}

	secret, public := filepath.Join(dir, "secret"), filepath.Join(dir, "public")
	s.write(secret, "of root")
	s.check(errors.Join(os.WriteFile(public, []byte("of all"), 0o644), os.Chmod(public, 0o644)))
	f := s.forge(wire.TypeRun)
	f.by = s.dave
	f.st.Run = &wire.Run{Argv: []string{secret, public}, Collect: &wire.Collect{MaxSize: 1 << 20}, TimeoutMS: 60_000, MaxOutput: 1 << 20, User: "nobody"}
	s.publish(f.queue, f.make())
	_, archive := s.pushEnded()
	got := map[string]string{} // content, or why there is none
	s.check(collect.Read(strings.NewReader(archive), 1<<20, collect.Sink{
		File: func(c *collect.File, content io.Reader) error {
			text, err := io.ReadAll(content)
			got[c.Path] = string(text)
			return err
		},
		Done: func(c *collect.File) error {
			got[c.Path] += c.Missing + c.Failed
			return nil
		},
	}))
	if got[secret] != "permission denied" || got[public] != "of all" || len(got) != 2 {
		t.Errorf("collected %q", got)
	}
}

//go:build unix

package hostile

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"warren/internal/wire"
)

// A command runs as the user that it names, with his ids, groups, home and
// environment, where a line's run-as permits him; a script can be read by him and
// by nobody else.
func TestRunAs(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root, and a user nobody")
	}
	s := newScene(t, nil)
	s.check(os.Chmod(s.dataDir, 0o700))
	for dir := filepath.Dir(s.dir); dir != os.TempDir(); dir = filepath.Dir(dir) {
		s.check(os.Chmod(dir, 0o711))
	}
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

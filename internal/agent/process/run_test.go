//go:build unix

package process_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"warren/internal/agent/process"
)

// run runs a command that is to be quick: nothing may be streamed but by chance
// of a slow machine, so that all output is joined.
func run(t testing.TB, s process.Spec) (process.Result, string, string) {
	t.Helper()
	var streamed []process.Chunk
	r := process.Run(t.Context(), s, nil, func(c process.Chunk) { streamed = append(streamed, c) })
	all := append(streamed, r.Rest...)
	return r, collect(t, process.Stdout, all), collect(t, process.Stderr, all)
}

func TestExit(t *testing.T) {
	t.Parallel()
	s := shell(t, "echo out; echo err >&2; exit 3")
	s.MaxOutput = 100
	r := process.Run(t.Context(), s, nil, nil)
	if !r.Started || r.Err != nil || r.ExitCode != 3 || r.Signal != "" || r.TimedOut || r.Canceled || r.HeldOpen {
		t.Errorf("%+v", r)
	}
	if out, err := collect(t, process.Stdout, r.Rest), collect(t, process.Stderr, r.Rest); out != "out\n" || err != "err\n" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
	if (r.Stdout != process.Account{Size: 4}) || (r.Stderr != process.Account{Size: 4}) {
		t.Errorf("stdout %+v, stderr %+v", r.Stdout, r.Stderr)
	}
	if r.StartedAt.IsZero() || r.EndedAt.Before(r.StartedAt) {
		t.Errorf("started %v, ended %v", r.StartedAt, r.EndedAt)
	}
}

// Two processes have different identities; one process keeps its identity.
func TestIdentity(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	var ids [2]process.Identity
	for i := range ids {
		ids[i], _ = f.identified(t.Context(), patience, "0", nil)
		if ids[i].PID <= 0 || ids[i].Start == "" {
			t.Errorf("%+v", ids[i])
		}
	}
	if ids[0] == ids[1] || ids[0].Start == ids[1].Start {
		t.Errorf("%+v", ids)
	}
}

// A command that ends at once is not identified.
func TestShortCommandIsNotIdentified(t *testing.T) {
	t.Parallel()
	const enough = 5 // a run may be slow on a busy machine
	quick := 0
	for range 200 {
		told := false
		process.Run(t.Context(), shell(t, "true"), func(process.Identity) { told = true }, nil)
		if told {
			continue
		}
		if quick++; quick == enough {
			return
		}
	}
	t.Errorf("told of all but %d", quick)
}

func TestSignal(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"SEGV", "KILL", "TERM"} {
		r, _, _ := run(t, shell(t, "kill -"+name+" $$"))
		if r.Signal != "SIG"+name || r.ExitCode != -1 || r.TimedOut || r.Canceled {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestBinary(t *testing.T) {
	t.Parallel()
	r, out, _ := run(t, spec(t, "pattern=300000"))
	want, _ := io.ReadAll(io.LimitReader(&pattern{}, 300000))
	if out != string(want) || r.Stdout.Dropped != 0 || r.Stdout.Size != 300000 {
		t.Errorf("%+v, same %v", r.Stdout, out == string(want))
	}
}

// A command that closes its stdout continues.
func TestClosesStdout(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.spec("print=a", "close", "tell=closed", "await", "complain=b", "exit=7")
	done := make(chan process.Result, 1)
	go func() { done <- process.Run(t.Context(), s, nil, nil) }()
	m := f.accept()
	m.hear("closed")
	m.goOn()
	r := <-done
	if r.ExitCode != 7 || collect(t, process.Stdout, r.Rest[:1]) != "a" || collect(t, process.Stderr, r.Rest) != "b" {
		t.Errorf("%+v", r)
	}
}

func TestStdin(t *testing.T) {
	t.Parallel()
	if _, out, _ := run(t, shell(t, "cat; readlink /proc/self/fd/0 || true")); out != "" && out != "/dev/null\n" {
		t.Errorf("no stdin: %q", out)
	}
	s := spec(t, "cat")
	s.Stdin, _ = io.ReadAll(io.LimitReader(&pattern{}, 400000))
	if _, out, _ := run(t, s); out != string(s.Stdin) {
		t.Errorf("%d bytes came back", len(out))
	}
	for _, command := range []string{"true", "exec <&-; sleep 0.05", "head -c 10"} {
		s := shell(t, command)
		s.Stdin = make([]byte, 1<<20)
		if r, _, _ := run(t, s); r.ExitCode != 0 || r.Signal != "" {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

// A command inherits neither environment nor session of the caller.
func TestEnvironment(t *testing.T) {
	t.Setenv("WARREND_BROKER", "amqp://user:secret@broker/")
	s := shell(t, "env")
	s.Dir = "/"
	s.Env = process.MergeEnv(process.Environment("/home/u", "u", ""), []string{"A=1", "LANG=x"})
	_, out, _ := run(t, s)
	for _, line := range []string{"HOME=/home/u", "USER=u", "LOGNAME=u", "SHELL=/bin/sh", "A=1", "LANG=x", "PWD=/"} {
		if !strings.Contains("\n"+out, "\n"+line+"\n") {
			t.Errorf("no %s in:\n%s", line, out)
		}
	}
	s.Env, s.Argv = []string{"A=1", "A=2"}, []string{"/usr/bin/env"} // without a shell, which sets its own PWD
	if _, out, _ := run(t, s); out != "A=2\nPWD=/\n" {
		t.Errorf("environment of A and a directory: %q", out)
	}
	s.Env, s.Dir = nil, ""
	if _, out, _ := run(t, s); out != "" {
		t.Errorf("environment of nothing: %q", out)
	}
}

// A command has no controlling terminal, even if this program has one.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := spec(t, "ask-terminal")
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Env = s.Env
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	said, _ := io.ReadAll(terminal) // ends with EIO, on Linux
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := string(said); !strings.HasPrefix(out, "exit ") || out == "exit 0" {
		t.Errorf("%q: the command opened the terminal", out)
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\npwd\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := spec(t)
	s.Dir, s.Argv = dir, []string{"./tool"}
	if r, out, _ := run(t, s); out != dir+"\n" {
		t.Errorf("%q, %v", out, r.Err)
	}
}

// A program with a relative path is not searched in PATH.
func TestRelativeProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("tool", []byte("#!/bin/sh\necho ran\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := spec(t)
	s.Argv = []string{"./tool"}
	if r, out, _ := run(t, s); out != "ran\n" {
		t.Errorf("%q, %v", out, r.Err)
	}
}

// A program is searched in the command's PATH, not in this program's.
func TestProgramIsFoundInCommandPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "warren-test-tool"), []byte("#!/bin/sh\necho found\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := spec(t)
	s.Argv = []string{"warren-test-tool"}
	if r, _, _ := run(t, s); r.Err == nil {
		t.Error("found without PATH")
	}
	s.Env = []string{"PATH=relative::" + dir}
	if r, out, _ := run(t, s); out != "found\n" {
		t.Errorf("%q, %v", out, r.Err)
	}
}

func TestFailsToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "echo", 0o600)
	dos := file("dos", "#!/bin/sh\r\n", 0o700)
	text := file("text", "no program", 0o700)
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0); err != nil {
		t.Fatal(err)
	}
	in := func(dir string) process.Spec {
		s := shell(t, "true")
		s.Dir = dir
		return s
	}
	argv := func(argv ...string) process.Spec {
		s := spec(t)
		s.Argv = argv
		return s
	}
	denied := argv("plain")
	denied.Env = []string{"PATH=" + dir}
	type failure struct {
		spec process.Spec
		want string
	}
	failures := []failure{
		{argv("warren-no-such"), `no such command "warren-no-such"`},
		{argv("/no/such/x"), `no such command "/no/such/x"`},
		{argv(dir), `cannot execute "` + dir + `": is a directory`},
		{argv("."), `no such command "."`},
		{argv(plain), `permission denied: "` + plain + `" is not executable`},
		{denied, `permission denied: "plain" is not executable`},
		{argv(dos), `no such interpreter "/bin/sh\r", which the first line of "` + dos + `" names`},
		{argv(text), `cannot execute "` + text + `": neither a program for this machine nor a script with a #! line`},
		{argv(), `no command is given`},
		{argv(""), `no command is given`},
		{argv("/bin/sh", "a\x00b"), `NUL byte in "a\x00b"`},
		{shell(t, strings.Repeat("x", 3<<20)), `the command is too long for this system; send it as a script, or its data on standard input`},
		{in(dir + "/missing"), `no such directory "` + dir + `/missing"`},
		{in(plain), `not a directory: "` + plain + `"`},
	}
	if os.Geteuid() != 0 { // root can enter every directory
		failures = append(
			failures,
			failure{in(locked), `permission denied: cannot enter directory "` + locked + `"`},
			failure{in(locked + "/x"), `permission denied: directory "` + locked + `/x"`},
			failure{argv(locked + "/x"), `permission denied: "` + locked + `/x" is not executable`},
		)
	}
	for _, c := range failures {
		started := func(process.Identity) { t.Errorf("%v: started", c.spec.Argv) }
		r := process.Run(t.Context(), c.spec, started, nil)
		if r.Started || r.Err == nil || r.Err.Error() != c.want || r.ExitCode != -1 || r.Canceled {
			t.Errorf("got  %v\nwant %s", r.Err, c.want)
		}
	}
}

// A script may be "busy" while another process has it open for writing.
func TestBusyScript(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ran\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := spec(t)
	s.Argv = []string{script}
	var wg sync.WaitGroup
	defer wg.Wait()
	writer, err := os.OpenFile(script, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		time.Sleep(50 * time.Millisecond) // the very thing under test: a while
		writer.Close()
	})
	if r, out, _ := run(t, s); out != "ran\n" {
		t.Errorf("%q, %v", out, r.Err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s := spec(t, "confess", "print=here", "hang")
	var r process.Result
	var out string
	for s.Timeout = 500 * time.Millisecond; s.Timeout < patience && !strings.HasPrefix(out, "here"); s.Timeout *= 2 {
		r, out, _ = run(t, s) // on a busy machine the timeout ends it before it is up
	}
	if !r.TimedOut || r.Canceled || r.ExitCode != 0 || out != "hereasked" {
		t.Errorf("%+v, %q", r, out)
	}
}

// cancel starts s, waits for n processes of the family, cancels, and returns the
// processes and the result.
func cancel(t *testing.T, f *family, s process.Spec, n int, ready string, settle ...func(pid int)) ([]*member, process.Result) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan process.Result, 1)
	pid := make(chan int, 1)
	go func() { done <- process.Run(ctx, s, func(id process.Identity) { pid <- id.PID }, nil) }()
	var members []*member
	for range n {
		m := f.accept()
		m.hear(ready)
		members = append(members, m)
	}
	for _, wait := range settle {
		wait(<-pid)
	}
	stop()
	select {
	case r := <-done:
		if !r.Canceled || r.TimedOut {
			t.Errorf("%+v", r)
		}
		return members, r
	case <-time.After(patience):
		t.Fatal("Run did not return")
		return nil, process.Result{}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	m, r := cancel(t, f, f.spec("tell=up", "hang"), 1, "up")
	m[0].mustBeDead()
	if r.Signal != "SIGTERM" {
		t.Errorf("%+v", r)
	}
}

func TestCancelIgnored(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.spec("ignore", "tell=up", "fork=7", "ignore", "tell=up", "fork=3", "ignore", "tell=up", "hang", "hang", "hang")
	s.Grace = 100 * time.Millisecond
	members, r := cancel(t, f, s, 3, "up")
	for _, m := range members {
		m.mustBeDead()
	}
	if r.Signal != "SIGKILL" || r.HeldOpen || r.EndedAt.Sub(r.StartedAt) < s.Grace {
		t.Errorf("%+v", r)
	}
}

// A stopped process is continued, so that it receives the TERM.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if strings.HasPrefix(strings.TrimSpace(string(out)), "T") {
			return
		}
	}
	t.Fatalf("process %d has not stopped", pid)
}

func TestCancelEndsStoppedProcess(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	m, r := cancel(t, f, f.spec("stop", "hang"), 1, "stopping", func(pid int) { awaitStopped(t, pid) })
	m[0].mustBeDead()
	if r.Signal != "SIGTERM" {
		t.Errorf("%+v", r)
	}
}

// A process that stops itself repeatedly cannot resist the KILL.
func TestKillEndsSelfStoppingProcess(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.spec("ignore", "stop-always")
	s.Grace = 50 * time.Millisecond
	m, r := cancel(t, f, s, 1, "stopping")
	m[0].mustBeDead()
	if r.Signal != "SIGKILL" {
		t.Errorf("%+v", r)
	}
}

func TestCanceledBeforeStart(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r := process.Run(ctx, shell(t, "true"), func(process.Identity) { t.Error("started") }, nil)
	if !r.Canceled || r.Started || r.Err != nil {
		t.Errorf("%+v", r)
	}
}

// A command that ended before its timeout keeps its own status.
func TestEndedBeforeTimeout(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const timeout = time.Second
	_, r := newFamily(t).identified(ctx, timeout, "4", func(id process.Identity) {
		awaitEnd(t, strconv.Itoa(id.PID))
		stop()
		<-time.After(timeout) // so that the timeout has passed too
	})
	if r.TimedOut || r.Canceled || r.ExitCode != 4 {
		t.Errorf("%+v", r)
	}
}

// What a command leaves behind lives on and is counted, wherever it is, unless
// the command's Spec says that it is to be ended.
func TestBackgroundProcesses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		words []string
	}{
		{"in its group", []string{"fork=4"}},
		{"in a session of its own", []string{"escape=4"}},
	} {
		if c.words[0] == "escape=4" && !process.HasCgroups() {
			continue // this program is no subreaper either
		}
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", ended ", kill), func(t *testing.T) {
				t.Parallel()
				f := newFamily(t)
				s := f.spec(append(append([]string{"tell=leader", "await"}, c.words...), "close", "tell=child", "await", "tell=alive", "await", "exit=5")...)
				s.KillLeftovers, s.Mark = kill, markOf(t)
				done := make(chan process.Result, 1)
				go func() { done <- process.Run(t.Context(), s, nil, nil) }()
				leader := f.up("leader")
				leader.goOn() // to fork
				child := f.up("child")
				leader.goOn() // to exit
				r := <-done
				if r.ExitCode != 5 || r.TimedOut || r.StopError != nil {
					t.Errorf("%+v", r)
				}
				if kill {
					child.mustBeDead()
					if r.Killed != 1 || r.LeftCount != 0 {
						t.Errorf("%+v", r)
					}
					return
				}
				child.mustLive()
				if r.Killed != 0 || r.LeftCount != 1 || len(r.Left) != 1 || r.Left[0].PID <= 0 || r.Left[0].User == "" || r.Left[0].Name == "" {
					t.Errorf("%+v", r)
				}
				child.mustBeDead() // it has no more words
			})
		}
	}
}

// A command whose processes have all ended leaves nothing, and nothing of it is
// left in the file system.
func TestEndedProcessesAreNotLeftovers(t *testing.T) {
	t.Parallel()
	if r, _, _ := run(t, shell(t, "sleep 0 | cat & wait; true")); r.LeftCount != 0 || r.Killed != 0 {
		t.Errorf("%+v", r)
	}
}

func TestNohup(t *testing.T) {
	t.Parallel()
	r, out, _ := run(t, shell(t, "nohup sleep 3600 >/dev/null 2>&1 & echo $!"))
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != 0 || r.HeldOpen || r.LeftCount != 1 || r.Left[0].PID != pid {
		t.Errorf("%+v", r)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // it is alive
		t.Error(err)
	}
	awaitEnd(t, strings.TrimSpace(out))
}

// A process that left the group and keeps the pipes open is given up, whether it
// is silent or prints for ever.
func TestEscapedProcessKeepsOutputOpen(t *testing.T) {
	t.Parallel()
	for _, does := range []string{"await", "flood"} {
		f := newFamily(t)
		s := f.spec("tell=leader", "print=before", "await", "escape=2", "tell=free", does, "await")
		s.Stdin = make([]byte, 1<<20)
		done := make(chan process.Result, 1)
		go func() { done <- process.Run(t.Context(), s, nil, nil) }()
		leader := f.accept()
		leader.hear("leader")
		leader.goOn() // to fork
		escaped := f.accept()
		escaped.hear("free")
		leader.goOn() // to exit
		r := <-done
		if r.ExitCode != 0 || !r.HeldOpen || time.Since(r.EndedAt) > 10*time.Second {
			t.Errorf("%s: %+v", does, r.Err)
		}
		if len(r.Rest) == 0 || !bytes.HasPrefix(r.Rest[0].Data, []byte("before")) {
			t.Errorf("%s: what was printed before is lost", does)
		}
		if does == "await" {
			escaped.goOn() // fails unless it outlived its command
		}
		escaped.mustBeDead()
	}
}

// Output arrives while the command runs, not before 100 ms, and in order.
func TestStreams(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.spec("print=one", "complain=err", "tell=up", "await", "print=two", "await", "print=three")
	chunks := make(chan process.Chunk)
	done := make(chan process.Result, 1)
	begin := time.Now()
	go func() { done <- process.Run(t.Context(), s, nil, func(c process.Chunk) { chunks <- c }) }()
	m := f.accept()
	m.hear("up")
	all := []process.Chunk{<-chunks, <-chunks}
	if waited := time.Since(begin); waited < 100*time.Millisecond {
		t.Errorf("first chunk after %v", waited)
	}
	m.goOn()
	all = append(all, <-chunks)
	m.goOn()
	r := receive(t, done, chunks, &all)
	all = append(all, r.Rest...)
	if out, err := collect(t, process.Stdout, all), collect(t, process.Stderr, all); out != "onetwothree" || err != "err" {
		t.Errorf("%q, %q", out, err)
	}
}

// Full chunks are also held back for 100 ms.
func TestFirstChunk(t *testing.T) {
	t.Parallel()
	for range 5 { // on a busy machine, the command may take longer than that to fill a chunk
		if size := firstChunk(t); size == process.ChunkSize {
			return
		} else if size > process.ChunkSize {
			t.Fatalf("a chunk of %d bytes", size)
		}
	}
	t.Error("no first chunk was full")
}

// firstChunk runs a command with much output, and returns the size of its first chunk.
func firstChunk(t *testing.T) int {
	t.Helper()
	f := newFamily(t)
	s := f.spec("pattern=100000", "tell=up", "await")
	chunks := make(chan process.Chunk)
	done := make(chan process.Result, 1)
	begin := time.Now()
	go func() { done <- process.Run(t.Context(), s, nil, func(c process.Chunk) { chunks <- c }) }()
	m := f.accept()
	m.hear("up")
	all := []process.Chunk{<-chunks}
	if waited := time.Since(begin); waited < 100*time.Millisecond {
		t.Errorf("%d bytes after %v", len(all[0].Data), waited)
	}
	m.goOn()
	size := len(all[0].Data)
	r := receive(t, done, chunks, &all)
	checkPattern(t, append(all, r.Rest...), 100000, s.MaxOutput)
	return size
}

// receive takes the remaining chunks until Run returns.
func receive(t *testing.T, done <-chan process.Result, chunks <-chan process.Chunk, all *[]process.Chunk) process.Result {
	t.Helper()
	for {
		select {
		case r := <-done:
			return r
		case c := <-chunks:
			*all = append(*all, c)
		case <-time.After(patience):
			t.Fatal("Run hangs")
		}
	}
}

// A short command emits nothing.
func TestShortCommandStreamsNothing(t *testing.T) {
	t.Parallel()
	for range 20 { // a machine may be slow once
		streamed := 0
		r := process.Run(t.Context(), shell(t, "echo x"), nil, func(process.Chunk) { streamed++ })
		if streamed == 0 && collect(t, process.Stdout, r.Rest) == "x\n" {
			return
		}
	}
	t.Error("output of quick commands is streamed")
}

// Output above the limit loses its middle, and the count is right.
func TestOutputAboveLimitLosesMiddle(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	for _, c := range []struct{ size, limit int64 }{
		{1000, 0},
		{1000, 1},
		{1000, 7},
		{1000, 999},
		{1000, 1000},
		{1000, 1001},
		{3000000, 1 << 20},
		{3000000, 2999999},
		{size, 1 << 20},
	} {
		s := spec(t, "pattern="+strconv.FormatInt(c.size, 10))
		s.MaxOutput = c.limit
		var all []process.Chunk
		r := process.Run(t.Context(), s, nil, func(c process.Chunk) { all = append(all, c) })
		if want := (process.Account{Size: c.size, Dropped: max(c.size-c.limit, 0)}); r.Stdout != want {
			t.Errorf("%+v: %+v, want %+v", c, r.Stdout, want)
		}
		checkPattern(t, append(all, r.Rest...), c.size, c.limit)
	}
}

// checkPattern checks that chunks are the first and last half of limit bytes of
// a pattern of n bytes.
func checkPattern(t *testing.T, chunks []process.Chunk, n, limit int64) {
	t.Helper()
	var at int64
	kept := int64(0)
	for _, c := range chunks {
		if at == limit/2 && n > limit {
			at = n - (limit - limit/2)
		}
		if c.Offset != at {
			t.Fatalf("limit %d: chunk at %d, want %d", limit, c.Offset, at)
		}
		for i, b := range c.Data {
			if b != patternAt(at+int64(i)) {
				t.Fatalf("limit %d: wrong byte at %d", limit, at+int64(i))
			}
		}
		at += int64(len(c.Data))
		kept += int64(len(c.Data))
	}
	if kept != min(limit, n) || (kept > 0 && at != n) {
		t.Errorf("limit %d: %d bytes kept, up to %d", limit, kept, at)
	}
}

// While out blocks, the command's pipe blocks, but its timeout applies.
func TestTimeoutAppliesWhileOutBlocks(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	s := f.spec("print=x", "tell=up", "await", "flood")
	s.MaxOutput = 1 << 40
	s.Timeout = 10 * time.Second // the command must be up by then on a busy machine too
	s.Grace = 50 * time.Millisecond
	called, release := make(chan struct{}, 1<<10), make(chan struct{})
	var all []process.Chunk
	done := make(chan process.Result, 1)
	go func() {
		done <- process.Run(t.Context(), s, nil, func(c process.Chunk) {
			called <- struct{}{}
			<-release
			all = append(all, c)
		})
	}()
	m := f.accept()
	m.hear("up")
	<-called
	m.goOn()
	m.mustBeDead() // at its timeout, although out still blocks
	select {
	case r := <-done:
		t.Fatalf("Run returned before out: %+v", r)
	case <-time.After(200 * time.Millisecond): // time for a wrong call to return
	}
	close(release)
	r := <-done
	all = append(all, r.Rest...)
	if out := collect(t, process.Stdout, all); !r.TimedOut || int64(len(out)) != r.Stdout.Size || r.Stdout.Dropped != 0 {
		t.Errorf("%+v, %d bytes", r.Stdout, len(out))
	}
	if r.Stdout.Size > 2<<20 { // the backlog, and the capacity of pipes on any system
		t.Errorf("%d bytes were taken while out blocked", r.Stdout.Size)
	}
}

// Many commands run in parallel, some are canceled: no output is lost and no process
// is left.
func TestParallelCommands(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			ctx, stop := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Millisecond)
			defer stop()
			s := shell(t, "echo begin; sleep 0.1 & sleep 0.1; echo end")
			s.Stdin = bytes.Repeat([]byte("x"), i<<10)
			var all []process.Chunk
			r := process.Run(ctx, s, nil, func(c process.Chunk) { all = append(all, c) })
			out := collect(t, process.Stdout, append(all, r.Rest...))
			if !r.Canceled && (r.ExitCode != 0 || out != "begin\nend\n") {
				t.Errorf("%+v, %q", r, out)
			}
		})
	}
	wg.Wait()
}

func BenchmarkFlood(b *testing.B) {
	const size = 256 << 20
	s := shell(b, "head -c 268435456 /dev/zero")
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if r := process.Run(context.Background(), s, nil, func(process.Chunk) {}); r.Stdout.Size != size {
			b.Fatalf("%+v", r)
		}
	}
}

func BenchmarkQuick(b *testing.B) {
	s := spec(b)
	s.Argv = []string{"/bin/true"}
	b.ReportAllocs()
	for b.Loop() {
		if r := process.Run(context.Background(), s, nil, func(process.Chunk) {}); r.ExitCode != 0 {
			b.Fatalf("%+v", r)
		}
	}
}

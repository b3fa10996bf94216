package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/windows"

	"warren/internal/textfile"
)

// childMode makes this test binary act as a command.
const childMode = "WARREN_PROCESS_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		beChild(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience limits how long a test waits for an event, on a busy machine too.
const patience = time.Minute

// beChild does what a command of a test does.
func beChild(mode string) {
	switch mode {
	case "args":
		fmt.Printf("%q", os.Args[1:])
	case "exit":
		windows.ExitProcess(0xC0000005)
	case "minus":
		windows.ExitProcess(0xFFFFFFFF)
	case "sleep":
		time.Sleep(patience)
	case "family": // a grandchild in a console and a group of its own, as detached as it can be
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childMode+"=sleep")
		cmd.SysProcAttr = &windows.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(cmd.Process.Pid)
		time.Sleep(patience)
	case "leave": // a grandchild that continues when the command ends
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childMode+"=sleep")
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
		}
	case "agent": // runs a family, and prints what it prints
		Run(context.Background(), child("family"), nil, func(c Chunk) { os.Stdout.Write(c.Data) })
	}
}

// environment returns the environment of the test's commands.
func environment() []string {
	u, _ := LookupUser("")
	return Environment(u.Home, u.Name, "")
}

// child returns the command that runs this test binary in a child mode.
func child(mode string, args ...string) Spec {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Spec{
		Argv: append([]string{self}, args...), Env: append(environment(), childMode+"="+mode),
		MaxOutput: 1 << 20, Timeout: patience,
	}
}

// shell returns a command of cmd.exe.
func shell(command string) Spec {
	return Spec{Argv: ShellArgv("", command), Env: environment(), MaxOutput: 1 << 20, Timeout: patience}
}

// batch returns the command that runs a batch file with this content.
func batch(t *testing.T, content []byte) Spec {
	t.Helper()
	script, err := NewScript("", content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a b"+script.Extension)
	if err := os.WriteFile(path, script.Content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := shell("")
	s.Argv = ScriptArgv("", path, nil, script.Content)
	return s
}

// output runs a command and returns its standard output.
func output(t *testing.T, s Spec) (Result, string) {
	t.Helper()
	var all []byte
	r := Run(t.Context(), s, nil, func(c Chunk) {
		if c.Stream == Stdout {
			all = append(all, c.Data...)
		}
	})
	for _, c := range r.Rest {
		if c.Stream == Stdout {
			all = append(all, c.Data...)
		}
	}
	if !r.Started {
		t.Fatalf("%q: %v", s.Argv, r.Err)
	}
	return r, string(all)
}

// alive reports whether a process exists and has not ended.
func alive(pid uint32) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	if err != nil {
		return false
	}
	defer windows.CloseHandle(process)
	event, err := windows.WaitForSingleObject(process, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}

// ends fails the test if a process does not end.
func ends(t *testing.T, pid uint32) {
	t.Helper()
	for deadline := time.Now().Add(patience); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

// Exit codes are signed numbers, as %ERRORLEVEL% shows them.
func TestExitCodesAreSigned(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int{"exit": -1073741819, "minus": -1} {
		if r, _ := output(t, child(mode)); r.ExitCode != want {
			t.Errorf("%s: %+v", mode, r)
		}
	}
	if r, _ := output(t, shell("exit 3")); r.ExitCode != 3 || r.LeftCount != 0 {
		t.Errorf("%+v", r)
	}
}

func TestArgumentsReachProgramUnchanged(t *testing.T) {
	t.Parallel()
	args := []string{"", "a b", `c:\dir\`, `say "x"`, `\\host\share`, `a\\"b`, "%PATH%", "主机", "^&|<>"}
	if _, out := output(t, child("args", args...)); out != fmt.Sprintf("%q", args) {
		t.Errorf("%s", out)
	}
}

func TestCommandReachesCmdUnchanged(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "Program Files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "主机.txt"), []byte("found"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, out := output(t, shell(`cd /d "`+dir+`" && dir /b & echo "a  b"`)); !strings.HasSuffix(out, "\"a  b\"\r\n") || !strings.Contains(out, ".txt") {
		t.Errorf("%q", out)
	}
}

func TestAllLinesOfCommandRun(t *testing.T) {
	t.Parallel()
	s := batch(t, CommandScript("", "echo one\nset X=two\r\necho %X%\nexit /b 7"))
	if r, out := output(t, s); out != "one\r\ntwo\r\n" || r.ExitCode != 7 {
		t.Errorf("%q, %+v", out, r)
	}
}

// A batch file in UTF-8 with a byte order mark prints in the host's code page.
func TestBatchFileIsConvertedToCodePage(t *testing.T) {
	t.Parallel()
	const word = "é" // in 437, 850, 1252; not in 936 and others
	want, err := toCodePage(word)
	if err != nil {
		t.Skipf("code page %d: %v", CodePage(), err)
	}
	s := batch(t, []byte(textfile.BOM+"@echo "+word+"\r\n"))
	if _, out := output(t, s); out != string(want)+"\r\n" {
		t.Errorf("%q, want %q in code page %d", out, want, CodePage())
	}
	if _, err := toCodePage("\U0001F600"); err == nil && CodePage() != 65001 {
		t.Errorf("an emoji was converted to code page %d", CodePage())
	}
}

func TestCodePageChangeAffectsOneCommand(t *testing.T) {
	t.Parallel()
	_, before := output(t, shell("chcp"))
	if r, out := output(t, shell("chcp 65001 & chcp")); !strings.Contains(out, "65001") {
		t.Fatalf("%q, %+v", out, r)
	}
	if _, after := output(t, shell("chcp")); after != before || !strings.Contains(after, fmt.Sprint(CodePage())) {
		t.Errorf("%q, then %q; want %d", before, after, CodePage())
	}
}

// A command gets the system's variables, and none of the agent's own.
func TestEnvironmentHasOnlySystemVariables(t *testing.T) {
	t.Setenv("ProgramData", "")
	t.Setenv("WARREND_BROKER_PASSWORD", "x")
	t.Setenv("SOME_SECRET", "x")
	env := Environment(`C:\Users\ann`, `VM\ann`, "")
	for name, want := range map[string]string{
		"USERNAME": "ann", "USERDOMAIN": "VM", "USERPROFILE": `C:\Users\ann`, "homedrive": "C:", "HOMEPATH": `\Users\ann`,
		"WARREND_BROKER_PASSWORD": "", "SOME_SECRET": "",
	} {
		if got := lookupEnv(env, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"ProgramData", "SystemRoot", "ComSpec", "TEMP"} {
		if got := lookupEnv(env, name); !filepath.IsAbs(got) {
			t.Errorf("%s is %q", name, got)
		}
	}
	for _, name := range []string{"PATH", "PATHEXT", "OS", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"} {
		if lookupEnv(env, name) == "" {
			t.Errorf("%s is not set", name)
		}
	}
}

func TestLookupIgnoresCaseOfPathVariable(t *testing.T) {
	t.Parallel()
	root := os.Getenv("SystemRoot")
	for _, env := range [][]string{{`Path=` + root + `\system32`}, {`PATH=` + root + `\system32`}, {`path=` + root + `\system32`}} {
		if found, err := lookup("cmd.exe", env, `C:\`); err != nil || !strings.HasSuffix(strings.ToLower(found), `\system32\cmd.exe`) {
			t.Errorf("%q: %q, %v", env, found, err)
		}
	}
}

// Cancel ends all processes of a command at once, also those that left its console and
// group.
func TestCancelEndsTree(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := child("family")
	s.Grace = patience // nothing waits for it
	var pid uint32
	began := time.Now()
	r := Run(ctx, s, nil, func(c Chunk) {
		if _, err := fmt.Sscan(string(c.Data), &pid); err != nil {
			t.Errorf("%q", c.Data)
		}
		cancel()
	})
	if !r.Canceled || r.StopError != nil || r.Killed != 2 || r.LeftCount != 0 {
		t.Errorf("%+v", r)
	}
	if pid == 0 || alive(pid) {
		t.Errorf("the grandchild %d still runs", pid)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("took %v", took)
	}
}

// A background process continues after its command, and the result names it.
func TestLeftoverContinues(t *testing.T) {
	t.Parallel()
	r, out := output(t, child("leave"))
	if r.LeftCount != 1 || len(r.Left) != 1 || r.Left[0].Name == "" {
		t.Fatalf("%+v %s", r, out)
	}
	pid := uint32(r.Left[0].PID)
	if !alive(pid) {
		t.Error("it has ended")
	}
	if p, err := os.FindProcess(int(pid)); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
	ends(t, pid)
}

func TestKillLeftovers(t *testing.T) {
	t.Parallel()
	s := child("leave")
	s.KillLeftovers = true
	if r, _ := output(t, s); r.LeftCount != 0 || r.Killed != 1 {
		t.Errorf("%+v", r)
	}
}

// A killed agent cannot end its commands itself: the job object does.
func TestCommandsEndWithKilledAgent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(self)
	agent.Env = append(os.Environ(), childMode+"=agent")
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid uint32
	if _, scanErr := fmt.Sscan(line, &pid); err != nil || scanErr != nil || !alive(pid) {
		t.Errorf("%q, %v", line, err)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = agent.Wait()
	ends(t, pid)
}

package process_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"warren/internal/agent/process"
)

// All tests also pass without cgroups, as for an agent that may not create any.
func TestWithoutCgroups(t *testing.T) {
	t.Parallel()
	if !process.HasCgroups() {
		t.Skip("the other tests run without cgroups already")
	}
	s := spec(t)
	cmd := exec.CommandContext(t.Context(), s.Argv[0], "-test.run=^Test(Survivors|Cancel|Timeout|Kill|Background|Nohup|Nothing|EndedBefore)")
	cmd.Env = append(os.Environ(), noCgroups+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// In a PID namespace, the leader of the agent's session may be outside of it. Then the
// kernel reports session 0, as for an agent started by "docker exec".
func TestWithoutSessionID(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes namespaces")
	}
	s := spec(t)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `mount -t proc proc /proc || exit 77; "$0" "$@"`, s.Argv[0], "-test.run=^TestSurvivors(ByMark|ByMarkAlone|Unrecorded|OfDeadLeader)$")
	cmd.Env = append(os.Environ(), noCgroups+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("no namespaces here: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

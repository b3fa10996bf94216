package process_test

import (
	"os"
	"os/exec"
	"testing"

	"warren/internal/process"
)

// What these tests want of commands holds without cgroups too, as for an agent
// that may make none.
func TestWithoutCgroups(t *testing.T) {
	t.Parallel()
	if !process.HasCgroups() {
		t.Skip("the other tests run without cgroups already")
	}
	s := spec(t)
	cmd := exec.CommandContext(t.Context(), s.Argv[0], "-test.run=^Test(Survivors|Cancel|Timeout|Kill|Background|Nohup|Nothing|EndedBefore)", "-test.skip=^TestSurvivorsRelay$")
	cmd.Env = append(os.Environ(), noCgroups+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
)

// TestScripts are sessions at a shell. Hosts $A, $B and $C are names that no
// other script uses; `agent $A` starts one's agent. Of more commands:
//
//	status N COMMAND …   executes it and wants that exit status
//	eventually COMMAND … executes it again and again until it ends with 0
//	log HOST EXPR        waits until the host's agent has logged it
//	leave HOST           ends the host's agent
//	queues               lists the queues of the broker
//	let NAME EXPR        sets a variable to what EXPR finds in stdout: its group
//	render FILE …        replaces ${NAME} in files
func TestScripts(t *testing.T) {
	node := rabbittest.Node(t)
	broker := node.URL()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			script := filepath.Base(env.WorkDir)
			script = strings.TrimPrefix(script, "script-")
			for _, host := range []string{"A", "B", "C"} {
				env.Setenv(host, script+"-"+strings.ToLower(host))
			}
			env.Setenv("WARREN_BROKER", broker)
			env.Setenv("WARREN_IDENTITY", clitest.Identity())
			env.Setenv("HOSTPORT", broker[strings.Index(broker, "@")+1:len(broker)-1])
			env.Setenv("WARREN_DATA_DIR", env.WorkDir+"/data")
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("CLUSTERSHELL_CFGDIR", env.WorkDir)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("BIN", env.WorkDir+"/bin")
			env.Setenv("PATH", env.WorkDir+"/bin:"+os.Getenv("PATH"))
			started := agents{}
			env.Values[agentsKey] = started
			env.Defer(func() {
				if err := started.stop(); err != nil {
					env.T().Fatal(err)
				}
			})
			return errors.Join(clitest.Bin(env.WorkDir+"/bin"), os.Mkdir(env.WorkDir+"/home", 0o700))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"agent": agentCmd, "status": statusCmd, "eventually": eventuallyCmd, "log": logCmd, "leave": leaveCmd, "let": letCmd, "render": renderCmd,
			"queues": queuesCmd(node),
		},
	})
}

// agents of a script, by host, are a value of its environment.
type agents map[string]*clitest.Process

const agentsKey = "agents"

// stop ends them by TERM, all at the same time, and wants them to leave well.
func (a agents) stop() error {
	ended := make(chan error)
	for _, p := range a {
		go func() { ended <- p.Stop() }()
	}
	var errs []error
	for range a {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func agentCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: agent HOST FLAG…")
	}
	a, err := clitest.StartAgent(ts.Getenv("BIN"), ts.Getenv("WARREN_BROKER"), ts.Getenv("HOME"), args[0], args[1:]...)
	ts.Check(err)
	ts.Value(agentsKey).(agents)[args[0]] = a
}

func leaveCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: leave HOST")
	}
	started := ts.Value(agentsKey).(agents)
	ts.Check(started[args[0]].Stop())
	delete(started, args[0])
}

func statusCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%q ends with status %d, want %d", args[1:], got, want)
	}
}

func eventuallyCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually COMMAND …")
	}
	ts.Check(clitest.Eventually(func() error { return ts.Exec(args[0], args[1:]...) }))
}

func logCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: log HOST EXPR")
	}
	_, err := ts.Value(agentsKey).(agents)[args[0]].Err.Await(args[1], 0)
	ts.Check(err)
}

// queuesCmd prints the names of the broker's queues to standard output.
func queuesCmd(node *rabbit.Node) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 0 {
			ts.Fatalf("usage: queues")
		}
		names, err := node.Ctl(context.Background(), "-s", "list_queues", "name")
		ts.Check(err)
		fmt.Fprint(ts.Stdout(), names)
	}
}

func letCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let NAME EXPR")
	}
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("no %q in stdout", args[1])
	}
	ts.Setenv(args[0], found[1])
}

func renderCmd(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := regexp.MustCompile(`\$\{\w+\}`).ReplaceAllStringFunc(ts.ReadFile(name), func(v string) string {
			return ts.Getenv(strings.Trim(v, "${}"))
		})
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

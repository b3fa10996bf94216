package repl

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"warren/repl/term"
)

// envNoInterruptTimeout makes warren wait as long as necessary for the second Ctrl-C of a test.
const envNoInterruptTimeout = "FAKE_NO_INTERRUPT_TIMEOUT"

// TestMain makes of the test binary the program `warren` as well, with a fake
// engine, for scripts and for the pseudo-terminal, and programs for --notify.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"warren": func() {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			if os.Getenv(envNoInterruptTimeout) != "" {
				SecondInterruptTimeout = time.Hour
			}
			os.Exit(Main(ctx, os.Args[1:], term.OS(), openFake))
		},
		"notice": notice,
		"fails": func() {
			fmt.Fprintln(os.Stderr, "no route")
			os.Exit(7)
		},
	})
}

// notice appends standard input to a file, and the id of the task to another: notice FILE
// [IDS].
func notice() {
	appendTo := func(file string, r io.Reader) {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err == nil {
			_, err = io.Copy(f, r)
		}
		if err != nil {
			panic(err)
		}
	}
	appendTo(os.Args[1], os.Stdin)
	if len(os.Args) > 2 {
		appendTo(os.Args[2], strings.NewReader(os.Getenv("WARREN_TASK")+"\n"))
	}
}

type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 400 processes")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds:                scriptCommands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("WARREN_DATA_DIR", env.WorkDir+"/data")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("AppData", env.WorkDir+"/config") // Windows
			env.Setenv("LocalAppData", env.WorkDir+"/local")
			env.Setenv("CLUSTERSHELL_CFGDIR", env.WorkDir+"/clustershell")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
			return nil
		},
	})
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/agent/process"
	"warren/internal/agent/service"
	"warren/internal/config"
	"warren/internal/hint"
	"warren/internal/redact"
	"warren/internal/translate"
)

// serviceCommands manage the agent as a Windows service.
type serviceCommands struct {
	Install struct{} `cmd:"" help:"Install the service. It starts with Windows, and its settings come from the configuration file."`
	Remove  struct{} `cmd:"" help:"Stop and remove the service. The agent's files stay."`
	Start   struct{} `cmd:"" help:"Start the service."`
	Stop    struct{} `cmd:"" help:"Stop the service, and wait until running commands have ended."`
	Status  struct{} `cmd:"" help:"Print the state of the service. Exit status: 0 if it runs, 3 if it does not."`
	Run     struct{} `cmd:"" hidden:"" help:"Run the agent for the service manager."`
}

// service runs a command of warrend service, and returns the exit status.
func (f *flags) service(ctx *kong.Context, source *config.Source, args []string, stdout, stderr io.Writer) int {
	var state string
	var process uint32
	var err error
	switch strings.TrimPrefix(ctx.Command(), "service ") {
	case "install":
		err = f.installService(ctx, source)
	case "remove":
		err = service.Remove()
	case "start":
		err = service.Start()
	case "stop":
		err = service.Stop()
	case "status":
		state, process, err = service.Status()
	case "run":
		err = f.runService(args)
	}
	if state != "" {
		fmt.Fprintln(stdout, serviceText(language(), state, process))
	}
	if err != nil {
		report(stderr, err)
	}
	switch {
	case errors.Is(err, service.ErrNotRunning):
		return exitNotRunning
	case err != nil:
		return exitUsage
	}
	return exitOK
}

// serviceText describes the service: its state, and its process if it has one.
func serviceText(lang *translate.Language, state string, process uint32) string {
	state = lang.WordIn("service", state)
	if process == 0 {
		return state
	}
	return lang.Sprintf("%s, process %d", state, process)
}

// installService installs the service for the agent of the configuration file. Flags of this
// command would not reach it.
func (f *flags) installService(ctx *kong.Context, source *config.Source) error {
	settings, err := source.Describe(ctx)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if s.From == config.FromFlag {
			return hint.Errorf(fmt.Sprintf("write %s into %s", s.Name, f.Config),
				"the service takes its settings from the configuration file, not from %s", s.Flag)
		}
	}
	if err := f.check(); err != nil {
		return err
	}
	run := []string{"service", "run"}
	if f.Config != defaultConfig() {
		path, err := filepath.Abs(f.Config)
		if err != nil {
			return err
		}
		run = append(run, "--config", path)
	}
	return service.Install(run)
}

// runService runs the agent until the service manager stops it. No signal does: a service that
// obeyed Go's SIGTERM would stop when any user logs off.
func (f *flags) runService(args []string) error {
	limitRuntime()
	process.CloseInheritedOnExec()
	return service.Run(f.level(), func(ctx context.Context, handler slog.Handler) int {
		log := slog.New(handler)
		code := exitUsage
		p, err := f.program(args, log, nil)
		if err == nil {
			err = p.run(ctx)
			code = exitStatus(err)
		}
		if err != nil {
			logEnd(log, err)
		}
		return code
	})
}

func logEnd(log *slog.Logger, err error) {
	log.Error("the agent has ended", "error", redact.Message(hint.Text(err), os.Args))
}

// failStart reports an error of the settings like fail. A service has no standard error, so it runs as a
// service for as long as it takes to write the error into the event log.
func failStart(args []string, stderr io.Writer, err error, run func(slog.Level, func(context.Context, slog.Handler) int) error) int {
	if len(args) < 2 || args[0] != "service" || args[1] != "run" {
		return fail(stderr, err)
	}
	notService := run(slog.LevelError, func(_ context.Context, handler slog.Handler) int {
		logEnd(slog.New(handler), err)
		return exitUsage
	})
	if notService != nil {
		return fail(stderr, err)
	}
	return exitUsage
}

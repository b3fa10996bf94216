package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"warren/internal/hint"
)

// Run runs an agent as a service, for the service manager that has started this process. The
// context of the agent ends when Windows stops the service or shuts down. The agent's log goes
// to the event log, from this level on.
func Run(level slog.Level, agent func(ctx context.Context, log slog.Handler) (status int)) error {
	if err := ignoreConsoleEvents(); err != nil {
		return err
	}
	events, err := eventlog.Open(Name)
	if err != nil {
		return err
	}
	defer events.Close()
	log := newEventHandler(events, level)
	err = svc.Run(Name, &handler{agent: func(ctx context.Context) int { return agent(ctx, log) }})
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return hint.Errorf("warrend service start", "only the service manager of Windows can run warrend service run")
	}
	return err
}

// A handler is the service, as the service manager sees it.
type handler struct {
	agent func(ctx context.Context) (status int)
}

// progressInterval is how often a stop reports progress. The service manager considers a service
// hung if it reports none within its wait hint.
const progressInterval = 2 * time.Second

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, states chan<- svc.Status) (svcSpecificEC bool, exitCode uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- h.agent(ctx) }()
	status := svc.Status{State: svc.Running, Accepts: accepts}
	states <- status
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				states <- status
			case svc.Stop, svc.PreShutdown, svc.Shutdown:
				stop()
				status = stopping(0)
				states <- status
			}
		case <-ticker.C:
			if status.State == svc.StopPending {
				status = stopping(status.CheckPoint + 1)
				states <- status
			}
		case code := <-ended:
			return code != 0, uint32(code)
		}
	}
}

// stopping is the state while the agent drains.
func stopping(step uint32) svc.Status {
	return svc.Status{State: svc.StopPending, CheckPoint: step, WaitHint: uint32((2 * progressInterval).Milliseconds())}
}

// Console control events (wincon.h).
const (
	ctrlLogoff   = 5
	ctrlShutdown = 6
)

// ignoreConsoleEvents keeps Go's runtime from turning a logoff into SIGTERM: when any user logs
// off, Windows sends CTRL_LOGOFF_EVENT to services too. A shutdown comes from the service
// manager as well. Windows first calls the handler that was added last. If it returns 1, Windows
// calls no other handler.
func ignoreConsoleEvents() error {
	handle := windows.NewCallback(func(event uint32) uintptr {
		if event == ctrlLogoff || event == ctrlShutdown {
			return 1
		}
		return 0
	})
	added, _, err := windows.NewLazySystemDLL("kernel32.dll").NewProc("SetConsoleCtrlHandler").Call(handle, 1)
	if added == 0 {
		return err
	}
	return nil
}

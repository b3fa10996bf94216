package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"warren/internal/hint"
)

const (
	displayName = "Warren agent"
	description = "Runs the commands that operators send through RabbitMQ."

	// stopTimeout is how long a stop may take: running commands get --drain-grace, are then
	// ended within --kill-grace, and their results are sent.
	stopTimeout = 60 * time.Second
)

// pollInterval is how often the state of a service that starts or stops is read.
const pollInterval = 200 * time.Millisecond

// recovery is what the service manager does when the agent ends on its own: it starts the agent
// again, as systemd does.
var recovery = []mgr.RecoveryAction{
	{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
	{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
	{Type: mgr.ServiceRestart, Delay: time.Minute},
}

// recoveryReset is the time without a failure, in seconds, after which the first action applies again.
const recoveryReset = 24 * 60 * 60

// Install installs a service that starts with Windows and runs warrend with these arguments. It
// also adds the service's source to the event log.
func Install(args []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.CreateService(Name, program, mgr.Config{
		StartType: mgr.StartAutomatic, DisplayName: displayName, Description: description,
	}, args...)
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		return hint.Errorf("warrend service remove", "the service %s is installed already", Name)
	}
	if err != nil {
		return fmt.Errorf("install the service: %w", err)
	}
	defer s.Close()
	err = s.SetRecoveryActions(recovery, recoveryReset)
	// wine lacks this setting.
	if nonCrash := s.SetRecoveryActionsOnNonCrashFailures(true); !errors.Is(nonCrash, windows.ERROR_INVALID_LEVEL) {
		err = errors.Join(err, nonCrash)
	}
	err = errors.Join(err, setShutdownTime(s))
	if err == nil {
		err = addEventSource()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("install the service: %w", err), s.Delete())
	}
	return nil
}

// setShutdownTime lets a stop take as long when Windows shuts down: otherwise the service manager
// waits 10 s.
func setShutdownTime(s *mgr.Service) error {
	info := struct{ milliseconds uint32 }{uint32(stopTimeout.Milliseconds())} // SERVICE_PRESHUTDOWN_INFO
	return windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&info)))
}

// addEventSource adds the source to the event log. It replaces one that an earlier installation
// left behind.
func addEventSource() error {
	_ = eventlog.Remove(Name)
	return eventlog.InstallAsEventCreate(Name, eventlog.Info|eventlog.Warning|eventlog.Error)
}

// Remove stops and removes the service. The agent's files stay.
func Remove() error {
	if err := Stop(); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	s, done, err := open()
	if err != nil {
		return err
	}
	defer done()
	if err := s.Delete(); err != nil {
		return fmt.Errorf("remove the service: %w", err)
	}
	_ = eventlog.Remove(Name) // a source that is left does no harm
	return nil
}

// Start starts the service, and waits until it runs or has failed.
func Start() error {
	s, done, err := open()
	if err != nil {
		return err
	}
	defer done()
	if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return fmt.Errorf("start the service: %w", err)
	}
	state, err := await(s, svc.StartPending)
	if err == nil && state != svc.Running {
		err = hint.Errorf("the event log (Application, source "+Name+") has the cause", "the service has ended during its start")
	}
	return err
}

// Stop stops the service, and waits until the agent has drained.
func Stop() error {
	s, done, err := open()
	if err != nil {
		return err
	}
	defer done()
	_, err = s.Control(svc.Stop)
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE):
		return ErrNotRunning
	case err != nil && !errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL): // it is stopping already
		return fmt.Errorf("stop the service: %w", err)
	}
	_, err = await(s, svc.Running, svc.StopPending) // it runs until it has read the request
	return err
}

// stateWords name states.
var stateWords = map[svc.State]string{
	svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
	svc.ContinuePending: "resuming", svc.PausePending: "pausing", svc.Paused: "paused",
}

// Status returns the state of the service, and its process, or 0. Its error is ErrNotRunning if
// it does not run.
func Status() (state string, process uint32, err error) {
	s, done, err := open()
	if err != nil {
		return "", 0, err
	}
	defer done()
	q, err := s.Query()
	if err != nil {
		return "", 0, fmt.Errorf("ask the service manager: %w", err)
	}
	if q.State == svc.Stopped {
		err = fmt.Errorf("%w (its last exit status is %d)", ErrNotRunning, exitStatus(q))
	}
	return stateWords[q.State], q.ProcessId, err
}

// exitStatus returns the exit status of a service that has stopped: its own, or that of
// Windows.
func exitStatus(q svc.Status) uint32 {
	if q.Win32ExitCode == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
		return q.ServiceSpecificExitCode
	}
	return q.Win32ExitCode
}

// await waits until the service has left these states, and returns the next one.
func await(s *mgr.Service, pending ...svc.State) (svc.State, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		q, err := s.Query()
		if err != nil {
			return 0, fmt.Errorf("ask the service manager: %w", err)
		}
		if !slices.Contains(pending, q.State) {
			return q.State, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("the service has neither started nor stopped within %v", stopTimeout)
		}
	}
}

func connect() (*mgr.Mgr, error) {
	m, err := mgr.Connect()
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil, hint.Errorf("run this as Administrator", "the service manager refuses: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the service manager: %w", err)
	}
	return m, nil
}

// open opens the installed service. Call done at the end.
func open() (s *mgr.Service, done func(), err error) {
	m, err := connect()
	if err != nil {
		return nil, nil, err
	}
	if s, err = m.OpenService(Name); err != nil {
		_ = m.Disconnect()
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return nil, nil, hint.Errorf("warrend service install", "%w: it is not installed", ErrNotRunning)
		}
		return nil, nil, fmt.Errorf("open the service: %w", err)
	}
	return s, func() { _ = s.Close(); _ = m.Disconnect() }, nil
}

package service

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"
)

// start runs a service whose agent ends with status, once its context has ended and drained was
// closed.
func start(t *testing.T, status int) (requests chan svc.ChangeRequest, states chan svc.Status, drained chan struct{}, ended chan uint32) {
	t.Helper()
	requests, states = make(chan svc.ChangeRequest), make(chan svc.Status)
	drained, ended = make(chan struct{}), make(chan uint32, 1)
	h := &handler{agent: func(ctx context.Context) int {
		<-ctx.Done()
		<-drained
		return status
	}}
	go func() {
		_, code := h.Execute(nil, requests, states)
		ended <- code
	}()
	if s := <-states; s.State != svc.Running || s.Accepts != svc.AcceptStop|svc.AcceptShutdown|svc.AcceptPreShutdown {
		t.Fatalf("first state %+v", s)
	}
	return requests, states, drained, ended
}

func TestStopDrains(t *testing.T) {
	for _, command := range []svc.Cmd{svc.Stop, svc.PreShutdown, svc.Shutdown} {
		requests, states, drained, ended := start(t, 0)
		requests <- svc.ChangeRequest{Cmd: svc.Interrogate}
		if s := <-states; s.State != svc.Running {
			t.Errorf("%+v", s)
		}
		requests <- svc.ChangeRequest{Cmd: command}
		first := <-states
		second := <-states // while the agent drains
		if first.State != svc.StopPending || first.WaitHint == 0 || second.State != svc.StopPending || second.CheckPoint <= first.CheckPoint {
			t.Errorf("%+v, then %+v", first, second)
		}
		close(drained)
		for {
			select {
			case <-states:
				continue
			case code := <-ended:
				if code != 0 {
					t.Errorf("exit code %d", code)
				}
			case <-time.After(time.Minute):
				t.Fatal("it does not end")
			}
			break
		}
	}
}

func TestFailureIsReported(t *testing.T) {
	h := &handler{agent: func(context.Context) int { return 2 }}
	states := make(chan svc.Status, 1)
	if specific, code := h.Execute(nil, nil, states); !specific || code != 2 {
		t.Errorf("%v, %d", specific, code)
	}
}

func TestConsoleEventsAreIgnored(t *testing.T) {
	if err := ignoreConsoleEvents(); err != nil {
		t.Error(err)
	}
}

// events is an event log.
type events []string

func (e *events) add(kind, text string) error         { *e = append(*e, kind+": "+text); return nil }
func (e *events) Info(_ uint32, text string) error    { return e.add("info", text) }
func (e *events) Warning(_ uint32, text string) error { return e.add("warning", text) }
func (e *events) Error(_ uint32, text string) error   { return e.add("error", text) }

func TestEventsHaveLevelAndAttributes(t *testing.T) {
	var e events
	log := slog.New(newEventHandler(&e, slog.LevelInfo)).With("queue", "q")
	log.Debug("hidden")
	log.Info("began", "job", 1)
	log.Warn("refused")
	log.Error("failed", "error", "disk full")
	want := `info: msg=began queue=q job=1|warning: msg=refused queue=q|error: msg=failed queue=q error="disk full"`
	if got := strings.Join(e, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// ERROR_SERVICE_SPECIFIC_ERROR says that the service has a status of its own.
func TestExitStatus(t *testing.T) {
	for want, q := range map[uint32]svc.Status{
		0: {}, 2: {Win32ExitCode: 1066, ServiceSpecificExitCode: 2}, 1077: {Win32ExitCode: 1077},
	} {
		if got := exitStatus(q); got != want {
			t.Errorf("%+v: %d, want %d", q, got, want)
		}
	}
}

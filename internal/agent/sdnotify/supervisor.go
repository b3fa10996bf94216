package sdnotify

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"warren/executor"
	"warren/internal/broker"
)

const (
	// ReadyTimeout is how long the start may wait for the broker. After it the agent reports
	// READY without its id, so that a machine whose broker is away can finish booting. If an
	// agent dies, the broker frees its id within 90 s.
	ReadyTimeout = 2 * time.Minute

	// statusInterval is how often the number of jobs in STATUS is updated without a watchdog.
	statusInterval = 30 * time.Second
)

// An Agent is asked for its status. *executor.Agent is one.
type Agent interface {
	Status(ctx context.Context) (*executor.Status, error)
	Link() *broker.State
}

// A Supervisor is the actor that talks to the service manager.
type Supervisor struct {
	Socket *Socket
	Agent  Agent
	Log    *slog.Logger

	// StopTimeout is the longest time that the agent takes to stop.
	StopTimeout time.Duration

	// Hangup delivers SIGHUP. The supervisor reports RELOADING, passes the signal on to Reload
	// and, when the agent has reloaded, reports READY.
	Hangup <-chan os.Signal
	Reload chan<- os.Signal
}

// Run reports until ctx ends. When stopping ends, the agent begins to stop.
func (s *Supervisor) Run(ctx, stopping context.Context) error {
	r := &run{Supervisor: s, link: s.Agent.Link()}
	patience := time.NewTimer(ReadyTimeout)
	defer patience.Stop()
	ticker := time.NewTicker(s.interval())
	defer ticker.Stop()
	stop := stopping.Done()
	r.feed(ctx)
	r.report()
	for {
		select {
		case <-ticker.C:
			r.feed(ctx)
		case <-r.link.Changed():
			r.link = r.link.Latest()
			r.report()
		case <-patience.C:
			r.waited = true
			r.report()
		case sig := <-s.Hangup:
			r.reload(ctx, sig)
		case <-stop:
			stop = nil
			r.stop()
		case <-ctx.Done():
			return nil
		}
	}
}

// interval is how often the supervisor asks the agent's loop: twice in the watchdog's interval,
// as sd_watchdog_enabled(3) recommends.
func (s *Supervisor) interval() time.Duration {
	if w := s.Socket.Watchdog; w > 0 {
		return max(min(w/2, statusInterval), time.Millisecond)
	}
	return statusInterval
}

// run is the state of Run.
type run struct {
	*Supervisor
	link     *broker.State
	status   *executor.Status // the last answer of the loop; nil before
	isReady  bool
	waited   bool // for ReadyTimeout
	stopping bool
	sent     string // the last STATUS
	failed   bool   // the last message was not sent
}

// feed asks the agent's loop for its status. Only its answer feeds the watchdog, so
// systemd restarts a process whose loop is stuck.
func (r *run) feed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.interval()/2)
	defer cancel()
	status, err := r.Agent.Status(ctx)
	if err != nil {
		return
	}
	r.status = status
	if r.Socket.Watchdog > 0 {
		r.send("WATCHDOG=1")
	}
	r.report()
}

// report reports that the start is complete as soon as the link is up, which means that the agent
// holds its id. Otherwise it reports the status if it has changed. The next report repeats what
// could not be sent.
func (r *run) report() {
	line := r.statusLine()
	switch {
	case !r.isReady && (r.link.Phase != broker.Connecting || r.waited):
		if r.send("READY=1\n" + line) {
			r.isReady, r.sent = true, line
		}
	case line != r.sent:
		if r.send(line) {
			r.sent = line
		}
	}
}

// reload passes SIGHUP on to the agent. The agent has reloaded when it answers a question that was
// asked after the signal. Before READY, systemd gets no RELOADING.
func (r *run) reload(ctx context.Context, sig os.Signal) {
	if r.isReady {
		r.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicUsec()))
	}
	ctx, cancel := context.WithTimeout(ctx, r.interval()/2)
	defer cancel()
	select {
	case r.Reload <- sig:
		if status, err := r.Agent.Status(ctx); err == nil {
			r.status = status
		}
	case <-ctx.Done():
		r.Log.Warn("cannot reload: the agent's loop does not answer")
	}
	if r.isReady {
		r.sent = r.statusLine()
		r.send("READY=1\n" + r.sent)
	}
}

// stop reports that the agent stops, and asks for the time that it needs: systemd would kill it after
// TimeoutStopSec=, which does not depend on the settings of the agent. systemd never shortens its own
// limit, and counts the time from this message on, so one message is enough.
func (r *run) stop() {
	r.stopping = true
	r.send(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d\n%s", r.StopTimeout.Microseconds(), r.statusLine()))
}

// statusLine describes the agent in one line, for systemctl status.
func (r *run) statusLine() string {
	var text string
	switch {
	case r.link.Phase == broker.Connecting && r.link.Err != nil:
		text = "no link to the broker: " + r.link.Err.Error()
	case r.link.Phase == broker.Connecting:
		text = "connecting to the broker"
	case r.link.Phase == broker.Blocked:
		text = "the broker accepts no messages"
	default:
		text = "connected to " + r.link.URL
	}
	if r.stopping {
		text = "stopping; " + text
	}
	if s := r.status; s != nil {
		text += fmt.Sprintf("; %d running, %d waiting", s.Running, s.Waiting+s.HeldBack)
	}
	return "STATUS=" + strings.ReplaceAll(text, "\n", " ")
}

// send sends a message. The agent works without a service manager, so send only logs the first
// of several failures.
func (r *run) send(state string) (sent bool) {
	err := r.Socket.Send(state)
	if err != nil && !r.failed {
		r.Log.Warn("cannot notify the service manager", "error", err)
	}
	r.failed = err != nil
	return err == nil
}

// Package sdnotify reports an agent's state to systemd (sd_notify(3)), and has systemd's
// watchdog watch the agent's loop.
package sdnotify

import (
	"net"
	"os"
	"strconv"
	"time"
)

// sendTimeout bounds a message to a service manager that does not read.
const sendTimeout = time.Second

// A Socket is the service manager's socket for notifications.
type Socket struct {
	addr     *net.UnixAddr
	Watchdog time.Duration // zero: the service manager does not watch this process
}

// Managed reports whether a service manager that takes notifications started this process. Call it
// before FromEnvironment.
func Managed() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// FromEnvironment returns the socket of the service manager that started this process; nil if
// none did. It removes the variables from the environment, because they are not for the
// children of this process.
func FromEnvironment() *Socket {
	path := os.Getenv("NOTIFY_SOCKET")
	usec, _ := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64) // not a number: no watchdog
	pid := os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name)
	}
	if path == "" || path[0] != '/' && path[0] != '@' { // @: abstract, as package net writes it too
		return nil
	}
	s := &Socket{addr: &net.UnixAddr{Name: path, Net: "unixgram"}}
	if usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.Watchdog = time.Duration(usec) * time.Microsecond
	}
	return s
}

// Send sends variables, one per line. An error means that the service manager is gone or does
// not read; the agent works without it.
func (s *Socket) Send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, s.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

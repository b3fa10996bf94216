//go:build !windows

package service

import (
	"context"
	"log/slog"

	"warren/internal/hint"
)

func noWindows() error {
	return hint.Errorf("use systemd or launchd: packaging has a unit and a property list", "warrend service is for Windows")
}

// Install installs the service.
func Install([]string) error { return noWindows() }

// Remove removes the service.
func Remove() error { return noWindows() }

// Start starts the service.
func Start() error { return noWindows() }

// Stop stops the service, and waits until the agent has drained.
func Stop() error { return noWindows() }

// Status returns the state of the service.
func Status() (state string, process uint32, err error) { return "", 0, noWindows() }

// Run runs an agent as a service.
func Run(slog.Level, func(ctx context.Context, log slog.Handler) (status int)) error {
	return noWindows()
}

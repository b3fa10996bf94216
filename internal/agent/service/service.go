// Package service runs the agent as a Windows service, and installs and controls it.
package service

import (
	"errors"
	"time"
)

const (
	// Name is the service's name, and that of its source in the event log.
	Name = "warrend"

	displayName = "Warren agent"
	description = "Runs the commands that operators send through RabbitMQ."

	// stopTimeout is how long a stop may take: running commands get --drain-grace, are then
	// ended within --kill-grace, and their results are sent.
	stopTimeout = 60 * time.Second
)

// ErrNotRunning is the error of Status if the service is installed and does not run, or is not
// installed.
var ErrNotRunning = errors.New("the service does not run")

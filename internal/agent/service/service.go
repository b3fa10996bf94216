// Package service runs the agent as a Windows service, and installs and controls it.
package service

import "errors"

// Name is the service's name, and that of its source in the event log.
const Name = "warrend"

// ErrNotRunning is the error of Status if the service is installed and does not run, or is not
// installed.
var ErrNotRunning = errors.New("the service does not run")

package signing

import (
	"context"
	"os"

	"golang.org/x/sys/windows"
)

// findAgent finds OpenSSH's service where nothing else is named.
func findAgent() *agent {
	if address := os.Getenv("SSH_AUTH_SOCK"); address != "" {
		return &agent{address, signTimeout}
	}
	return &agent{`\\.\pipe\openssh-ssh-agent`, signTimeout}
}

// dialAgent opens the agent's named pipe. Overlapped, so that it has deadlines.
func dialAgent(_ context.Context, address string) (*os.File, error) {
	return os.OpenFile(address, os.O_RDWR|windows.FILE_FLAG_OVERLAPPED, 0)
}

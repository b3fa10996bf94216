package signing

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// findAgent finds OpenSSH's service where nothing else is named.
func findAgent() *agent {
	if address := os.Getenv("SSH_AUTH_SOCK"); address != "" {
		return &agent{address, signTimeout}
	}
	return &agent{`\\.\pipe\openssh-ssh-agent`, signTimeout}
}

// busyInterval is how often dialAgent tries a pipe that serves another client.
const busyInterval = 50 * time.Millisecond

// dialAgent opens the agent's named pipe. Overlapped, so that it has deadlines. Like ssh, it
// lets the server see who the user is, but not act as this user.
func dialAgent(ctx context.Context, address string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	name, err := windows.UTF16PtrFromString(address)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: address, Err: err}
	}
	for {
		pipe, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING,
			windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(pipe), address), nil
		case !errors.Is(err, windows.ERROR_PIPE_BUSY):
			return nil, &os.PathError{Op: "open", Path: address, Err: err}
		}
		select {
		case <-ctx.Done():
			return nil, &os.PathError{Op: "open", Path: address, Err: err}
		case <-time.After(busyInterval):
		}
	}
}

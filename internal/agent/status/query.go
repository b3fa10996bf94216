package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"

	"warren/internal/hint"
)

// ErrNotRunning is the error of Query if no agent uses the data directory.
var ErrNotRunning = errors.New("no agent runs on this data directory")

const (
	// queryTimeout is longer than the agent waits for its own loop, so that a living process
	// with a stuck loop can say so.
	queryTimeout = answerTimeout + 2*time.Second

	maxReport = 1 << 20
)

// Query asks the agent that uses a data directory. If its process does not answer, the report
// has only the problem Stuck.
func Query(ctx context.Context, dataDir string) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	path := Path(dataDir)
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, hint.Errorf("run this as the agent's user, or as root or Administrator", "%w", err)
	case errors.Is(err, fs.ErrNotExist), isRefused(err):
		return nil, notRunning(dataDir)
	case ctx.Err() != nil:
		return stuck(), nil
	case isUnsupported(err):
		return nil, hint.Errorf("warrend status needs Windows 10 version 1803, Windows Server 2019, or later", "ask the agent: %w", err)
	case err != nil:
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	r := new(Report)
	err = json.NewDecoder(io.LimitReader(conn, maxReport)).Decode(r)
	switch {
	case ctx.Err() != nil:
		return stuck(), nil
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // it ended just now
		return nil, notRunning(dataDir)
	case err != nil:
		return nil, fmt.Errorf("the agent's answer: %w", err)
	}
	return r, nil
}

func notRunning(dataDir string) error {
	return hint.Errorf("start the agent, or name its directory with --data-dir", "%w: %s", ErrNotRunning, dataDir)
}

func stuck() *Report { return &Report{State: Degraded, Problems: []Problem{Stuck}} }

package status

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// directory is in the data directory. It has mode 0700, so that only the agent's user and
	// root reach the socket in it, whatever the mode of the data directory.
	directory = "run"
	name      = "status.sock"

	// writeTimeout is how long a client has to read its answer.
	writeTimeout = 2 * time.Second
)

// Path returns the path of the socket of the agent with this data directory.
func Path(dataDir string) string { return filepath.Join(dataDir, directory, name) }

// A Server is the actor that answers on the socket. It sends each client one report, and serves
// one client at a time.
type Server struct {
	Source *Source
	Log    *slog.Logger
}

// Run serves until ctx ends. An agent works without the socket, so Run only logs a failure.
func (s *Server) Run(ctx context.Context) error {
	// The agent answers once it has locked its data directory. Before that, the socket there may
	// be that of another agent, which still runs.
	if _, err := s.Source.Agent.Status(ctx); err != nil {
		return nil //nolint:nilerr // ctx has ended
	}
	listener, err := listen(s.Source.DataDir)
	if err != nil {
		s.Log.Warn("warrend status will not work", "error", err, "hint", "the path of a socket has about 100 characters at most: choose a shorter --data-dir")
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case err != nil: // such as too many open files
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		s.serve(ctx, conn)
	}
}

// listen opens the socket. It replaces a socket that a killed agent left behind.
func listen(dataDir string) (net.Listener, error) {
	path := Path(dataDir)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serve sends a report. If the client goes away, there is nothing to do.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	report := s.Source.Report(ctx)
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = json.NewEncoder(conn).Encode(report)
}

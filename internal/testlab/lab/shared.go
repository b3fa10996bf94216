package lab

import (
	"context"
	"errors"
	"iter"

	"warren/internal/agent/journal"
)

// A shared is the one journal of all in-process agents: each job is on the disk
// before it begins, as on a host of its own, and those that come together share
// a sync, since it is one disk.
type shared struct {
	log   *journal.Log
	end   context.CancelFunc
	ended chan error // of log.Run, one
}

func openShared(dir string) (*shared, error) {
	log, err := journal.Open(dir, journal.Options{}, func([]byte) error { return nil })
	if err != nil {
		return nil, err
	}
	s := &shared{log: log, ended: make(chan error, 1)}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	go func() { s.ended <- log.Run(ctx) }()
	return s, nil
}

// Append adds an agent's records.
func (s *shared) Append(ctx context.Context, records [][]byte, m journal.Mode) (<-chan journal.Answer, error) {
	return s.log.Append(ctx, records, m)
}

// Rewrite keeps everything: what one agent no longer needs is a small part of the file.
func (s *shared) Rewrite(ctx context.Context, _ iter.Seq[[]byte]) (<-chan journal.Answer, error) {
	return s.log.Append(ctx, nil, 0)
}

// close ends the file's actor, once the agents have ended.
func (s *shared) close() error {
	s.end()
	return errors.Join(<-s.ended, s.log.Close())
}

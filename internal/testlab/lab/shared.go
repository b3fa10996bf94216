package lab

import (
	"context"
	"errors"

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

// close ends the file's actor, once the agents have ended.
func (s *shared) close() error {
	s.end()
	return errors.Join(<-s.ended, s.log.Close())
}

package executor

import (
	"cmp"
	"log/slog"
	"time"

	"warren/executor/jobtable"
	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/wire"
)

// An outputKeeper keeps the output of commands.
type outputKeeper struct {
	*outputlog.Log
	log       *slog.Logger
	recheckAt time.Time // a status does not check the disk again before
}

// keep stores a chunk of output and returns where it is.
func (k *outputKeeper) keep(j *jobtable.Job, c process.Chunk) outputlog.Ref {
	before := k.DiskError()
	put := k.Put
	if j.Run.Collect != nil && c.Stream == wire.Stdout {
		put = k.PutArchive
	}
	r, err := put(j.ID, c.Stream, c.Offset, c.Data)
	switch now := k.DiskError(); {
	case now != nil && before == nil:
		k.log.Error("cannot write output to the disk; it is kept in memory", "error", err, "hint", "free space for the data directory")
	case now == nil && before != nil:
		k.log.Info("output is written to the disk again")
	case now == nil && err != nil:
		k.log.Error("cannot remove old output", "error", err)
	}
	return r
}

// dropBefore removes the output that no result needs any more.
func (k *outputKeeper) dropBefore(segment int64) {
	if err := k.DropBefore(segment); err != nil {
		k.log.Error("cannot remove old output", "error", err)
	}
}

// jobEnded adds to a result that not all of its output is on the disk.
func (k *outputKeeper) jobEnded(job string, e *wire.Ended) {
	err := k.JobEnded(job)
	if err == nil {
		return
	}
	words := cmp.Or(diskWords[diskOf(err)], "the agent cannot write its output to the disk: "+err.Error())
	e.Reason = joinReasons(e.Reason, words)
}

// disk returns the state of the data directory for a hello: the result of the last write, or
// of another one that is tried now if the last has failed.
func (k *outputKeeper) disk(journalErr error) wire.Disk {
	k.Recheck()
	return k.lastDisk(journalErr)
}

// diskAt is disk for a status. It tries a failed disk again only once in recheckInterval.
func (k *outputKeeper) diskAt(journalErr error, now time.Time) wire.Disk {
	if wait := k.recheckAt.Sub(now); wait <= 0 || wait > recheckInterval { // more: the clock was set back
		k.recheckAt = now.Add(recheckInterval)
		k.Recheck()
	}
	return k.lastDisk(journalErr)
}

// lastDisk returns the result of the last write.
func (k *outputKeeper) lastDisk(journalErr error) wire.Disk {
	if d := diskOf(k.DiskError()); d != wire.DiskOK {
		return d
	}
	return diskOf(journalErr)
}

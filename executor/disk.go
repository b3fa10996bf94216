package executor

import (
	"log/slog"

	"warren/executor/outputlog"
	"warren/internal/agent/process"
	"warren/internal/datadir"
	"warren/internal/wire"
)

// diskWords says what it means that the data directory cannot be written.
var diskWords = map[wire.Disk]string{
	wire.DiskFull:     "the host's disk is full",
	wire.DiskQuota:    "the agent's disk quota is used up",
	wire.DiskReadOnly: "the host's file system is read-only",
	wire.DiskFailing:  "the host's disk reports errors",
}

// diskOf says what keeps the disk from taking data; DiskOK where err says nothing of it.
func diskOf(err error) wire.Disk {
	switch {
	case datadir.IsFull(err):
		return wire.DiskFull
	case datadir.IsOverQuota(err):
		return wire.DiskQuota
	case datadir.IsReadOnly(err):
		return wire.DiskReadOnly
	case datadir.IsIOError(err):
		return wire.DiskFailing
	}
	return wire.DiskOK
}

// diskText describes an error of the data directory in a result.
func diskText(err error) string {
	if words := diskWords[diskOf(err)]; words != "" {
		return words + " (" + err.Error() + ")"
	}
	return err.Error()
}

// outputKeeper keeps the output of running commands.
type outputKeeper struct {
	*outputlog.Log
	log *slog.Logger
}

// keep stores a chunk of output and returns where.
func (k *outputKeeper) keep(job string, c process.Chunk) outputlog.Ref {
	before := k.DiskError()
	r, err := k.Put(job, c.Stream, c.Offset, c.Data)
	switch now := k.DiskError(); {
	case now != nil && before == nil:
		k.log.Error("the disk takes no output; it is kept in memory", "error", err, "hint", "make room in the data directory")
	case now == nil && before != nil:
		k.log.Info("the disk takes output again")
	case now == nil && err != nil:
		k.log.Error("cannot remove old output", "error", err)
	}
	return r
}

// jobEnded adds to a result that the disk has not taken all of its output.
func (k *outputKeeper) jobEnded(job string, e *wire.Ended) {
	err := k.JobEnded(job)
	if err == nil {
		return
	}
	words := diskWords[diskOf(err)]
	if words == "" {
		words = "the agent cannot write its output to the disk: " + err.Error()
	}
	e.Reason = sentences(e.Reason, words)
}

// disk is the state of the data directory in a hello: how the last write has gone, or
// the one that is tried now if that has failed. Journal is the journal's error.
func (k *outputKeeper) disk(journal error) wire.Disk {
	k.Recheck()
	if d := diskOf(k.DiskError()); d != wire.DiskOK {
		return d
	}
	return diskOf(journal)
}

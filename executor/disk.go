package executor

import (
	"strings"

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

// diskText is an error of the data directory as a result tells it.
func diskText(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\nhint: ")
	if words := diskWords[diskOf(err)]; words != "" {
		return words + " (" + text + ")"
	}
	return text
}

// diskReason adds to a result that the disk has not taken all of its output.
func (l *loop) diskReason(j *job, e *wire.Ended) {
	why := l.outputs.JobEnded(j.id)
	if why == nil {
		return
	}
	words := diskWords[diskOf(why)]
	if words == "" {
		words = "the agent cannot write its output to the disk: " + why.Error()
	}
	if e.Reason != "" {
		e.Reason += "; "
	}
	e.Reason += words
}

// disk is what a hello says of the data directory: how the last write has gone, or
// the one that is tried now where that has failed.
func (l *loop) disk() wire.Disk {
	l.outputs.Recheck()
	if d := diskOf(l.outputs.DiskError()); d != wire.DiskOK {
		return d
	}
	return diskOf(l.saveError)
}

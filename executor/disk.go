package executor

import (
	"warren/internal/datadir"
	"warren/internal/wire"
)

// diskWords describes why the data directory cannot be written.
var diskWords = map[wire.Disk]string{
	wire.DiskFull:     "the host's disk is full",
	wire.DiskQuota:    "the agent's disk quota is used up",
	wire.DiskReadOnly: "the host's file system is read-only",
	wire.DiskFailing:  "the host's disk reports errors",
}

// diskOf returns why the disk takes no data; DiskOK if err does not say.
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

// diskText describes an error of the data directory for a result.
func diskText(err error) string {
	if words := diskWords[diskOf(err)]; words != "" {
		return words + " (" + err.Error() + ")"
	}
	return err.Error()
}

package model

import "time"

// A Transfer says how far the content of a push has come, in bytes.
type Transfer struct {
	Began  time.Time
	Sent   int64          // the broker has it
	Size   int64          // of the whole content
	Wanted int64          // from the beginning: the most that a host has asked for
	Hosts  []HostTransfer // that receive content now
}

// A HostTransfer says how far the content of a push has come on a host, in bytes.
type HostTransfer struct {
	Host, Job        string
	Received, Wanted int64
}

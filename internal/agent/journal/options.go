package journal

import "time"

// DefaultReserve has space for some 10,000 refusals.
const DefaultReserve = 1 << 20

// defaultAhead is how much is allocated in advance, so that few syncs write a file size.
const defaultAhead = 1 << 20

// Options of a Log.
type Options struct {
	// Reserve is the space in bytes that only Reserved records may use; zero is
	// DefaultReserve.
	Reserve int64
	// Now returns the time of creation; nil is time.Now.
	Now func() time.Time

	ahead int64 // for tests; zero is defaultAhead
}

func (o Options) withDefaults() Options {
	if o.Reserve <= 0 {
		o.Reserve = DefaultReserve
	}
	if o.ahead <= 0 {
		o.ahead = defaultAhead
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Mode says how records are appended.
type Mode uint8

const (
	// Sync delays the answer until the records are on the disk.
	Sync Mode = 1 << iota
	// Reserved lets the records use the reserved space when the disk is full.
	Reserved
)

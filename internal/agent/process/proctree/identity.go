package proctree

// MaxDescribed limits how many processes Describe returns.
const MaxDescribed = 16

// An Identity distinguishes a process from a later one with the same id. Start is the
// start time in a format that depends on the system: compare it only for equality.
// Start is empty if it is unknown.
type Identity struct {
	PID   int
	Start string
}

// A Process is a process that outlives its command.
type Process struct {
	PID        int
	User, Name string
}

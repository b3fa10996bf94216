package proctree

// MaxLeft is the most processes that Describe names.
const MaxLeft = 16

// An Identity tells a process from a later one with the same id: Start is when
// it began, in whatever terms the system has, to be compared for equality only.
// It is empty where the system does not say.
type Identity struct {
	PID   int
	Start string
}

// A Process is one process that lives on.
type Process struct {
	PID        int
	User, Name string
}

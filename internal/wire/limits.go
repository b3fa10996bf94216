package wire

import "time"

// The limits of version 1. Both sides enforce them, so nothing is sent that the
// other side would refuse. Lengths are in bytes.
const (
	MaxRequest = 2 << 20   // request body
	MaxReply   = 128 << 10 // reply body, but for output
	MaxChunk   = 32 << 10  // payload of one output message
	MaxInline  = 16 << 10  // raw bytes of both streams inside ended
	// MaxHello bounds the body of a hello: one has 600 to 1000 bytes, and anybody who
	// reads a discover may send any number. MaxNameBytes and MaxLabelBytes bound what
	// an administrator gives an agent, as JSON, so that the rest always fits.
	MaxHello      = 16 << 10
	MaxNameBytes  = 4 << 10
	MaxLabelBytes = 4 << 10

	// MaxDepth is the deepest nesting of a body, a statement or a secret (labels
	// of facts of hello). The decoder follows the known members and stops at the
	// first value of another kind, so nothing deeper is ever entered.
	MaxDepth = 3

	MaxLeaves    = 1 << 20 // hosts of a task
	MaxPath      = 20      // hashes on a leaf's path: log2 of MaxLeaves
	MaxSignature = 32 << 10

	MaxArgs = 4096
	// MaxCheckedArgs leaves room for the shell's own words.
	MaxCheckedArgs = MaxArgs + 8
	// MaxArg bounds the command, each argument and each environment entry. More
	// cannot be executed on Linux: execve(2), MAX_ARG_STRLEN with its final NUL.
	MaxArg       = 128<<10 - 1
	MaxEnv       = 1024 // environment entries
	MaxFileName  = 4096 // shell, cwd, binary: PATH_MAX of Linux
	MaxUser      = 256
	MaxTimeout   = 30 * 24 * time.Hour // of a run that has one
	MaxMaxOutput = 64 << 20

	// MaxArchive bounds max_output of a collect: its archive.
	MaxArchive = 5 << 30

	// MaxGrants bounds each list of a granted, and MaxGrant each of its strings.
	MaxGrants = 1024
	MaxGrant  = 4096

	// DefaultMaxValidity is the validity of a statement that each agent accepts, unless its
	// administrator sets a lower limit.
	DefaultMaxValidity = 24 * time.Hour

	// DefaultClockTolerance is how much the clocks of an agent and of an operator may
	// differ, unless the agent's administrator chooses another limit.
	DefaultClockTolerance = 30 * time.Second

	// MaxManifest bounds the manifest of a push, and MaxInlineManifest one inside the
	// statement.
	MaxManifest       = 64 << 20
	MaxInlineManifest = 64 << 10
	// MaxFileChunk is the content in one message of a stream, in bytes; the last one may have
	// less. Sealed, it is one frame of 128 KiB, RabbitMQ's default: a client library copies a
	// message of several frames together.
	MaxFileChunk = 128<<10 - 8 - 16 // less what AMQP and ChaCha20-Poly1305 add
	// FileKeySize is the size of the key of a stream.
	FileKeySize = 32
	MaxOwner    = 2*MaxUser + 1

	MinSalt = 16
	MaxSalt = 64

	MaxReason = 1024 // reason, rule
	MaxSignal = 32
	MaxNames  = 64
	MaxFact   = 256 // each string of facts, label names and values included
	MaxLabels = 64
	// MaxAddresses bounds the addresses of facts.
	MaxAddresses = 64

	// MaxTime is the end of the year 9999 in milliseconds since 1970.
	MaxTime = 253402300799999
	// MaxSize bounds counts and offsets of bytes: the largest integer that every
	// JSON implementation keeps exact (RFC 8259, section 6).
	MaxSize = 1<<53 - 1
	// MaxCount bounds the numbers of jobs and workers in hello, and of processes.
	MaxCount = 1<<31 - 1
	// MinExitCode and MaxExitCode hold what a signed and an unsigned 32-bit
	// exit status can be; Windows has the latter.
	MinExitCode = -1 << 31
	MaxExitCode = 1<<32 - 1
)

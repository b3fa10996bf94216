// Package wire is Warren's protocol, version 1: what an operator and an agent
// say to each other through the broker. It owns the JSON bodies, the Merkle
// tree that binds one signed statement to many hosts, the names of queues and
// headers, and the limits. It does no I/O, starts nothing, keeps nothing, and
// knows neither key nor clock: signatures and validity are for its callers to
// judge. docs/protocol.md describes the same bytes for authors of other clients.
//
// In the types below a tag without an option marks a member that must be
// there; one with omitzero or omitempty is there exactly when it has a value
// (a pointer may point to zero). Both are checked on both sides.
package wire

import "time"

// Version is the value of member "v" in every body.
const Version = 1

// AppID is the AMQP property app_id of every message.
const AppID = "warren/1"

// NotPermitted is the only reason that a sender without a line in authorized_operators gets.
const NotPermitted = "not permitted on this host"

// Request types: the statement's type and the AMQP property type.
const (
	TypeRun      = "run"      // execute it
	TypeCheck    = "check"    // would you run it? Never executed
	TypeRights   = "rights"   // what may the signer do?
	TypeCancel   = "cancel"   // stop the job, or never begin it
	TypeStatus   = "status"   // what does the journal know of the job?
	TypeDiscover = "discover" // which agents are online? Has no leaf

	// TypeProbe is the type of a message without a body, which its receiver ignores: an agent
	// asks with it whether a queue other than its own has its name.
	TypeProbe = "probe"

	// TypeChunk is the type of a message with content of a push whose Queue is OwnQueue. Its
	// correlation id is the job.
	TypeChunk = "chunk"
)

// OwnQueue is the Queue of a push whose content comes through the queue of each host.
const OwnQueue = "host"

// Reply types: the AMQP property type.
const (
	TypeAccepted = "accepted" // Accepted
	TypeStarted  = "started"  // Started
	TypeTransfer = "transfer" // Transfer
	TypeOutput   = "output"   // raw bytes, with headers stream and offset
	TypeEnded    = "ended"    // Ended
	TypeState    = "state"    // State
	TypeChecked  = "checked"  // Checked
	TypeGranted  = "granted"  // Granted
	TypeHello    = "hello"    // Hello
)

// An Outcome is how a job ended. Every job gets exactly one.
type Outcome string

// The outcomes. Unreachable and Lost are the operator's, all others are the
// agent's to assign.
const (
	Exited        Outcome = "exited"          // with an exit code; 0 is ok
	Signaled      Outcome = "signaled"        // ended by a signal that the agent did not send
	TimedOut      Outcome = "timed_out"       // ended by the agent at the job's timeout
	Canceled      Outcome = "canceled"        // on the operator's word
	FailedToStart Outcome = "failed_to_start" // no such shell, cwd, user …
	Rejected      Outcome = "rejected"        // signature, policy, queue full …
	Expired       Outcome = "expired"         // not begun by its not-after
	Interrupted   Outcome = "interrupted"     // agent or machine went down while it ran
	Unreachable   Outcome = "unreachable"     // every attempt came back unrouted
	Lost          Outcome = "lost"            // silence until the operator gave up; provisional
)

// A Statement is what an operator signs, once for all hosts of a task. Exactly
// the member that its type needs is present: Run for run and check, Of for
// cancel and status, neither for rights; Root and Size for all but discover.
type Statement struct {
	Type     string `json:"type"`
	Task     string `json:"task"`           // UUIDv4
	IssuedAt int64  `json:"issued_at"`      // milliseconds since 1970, UTC
	NotAfter int64  `json:"not_after"`      // milliseconds since 1970, UTC
	ReplyTo  string `json:"reply_to"`       // routing key in exchange warren.replies
	Root     []byte `json:"root,omitempty"` // RFC 6962 tree head over the leaves, 32 bytes
	Size     int    `json:"size,omitzero"`  // number of leaves

	Run *Run    `json:"run,omitzero"`
	Of  *Target `json:"of,omitzero"`
}

// Run says what to execute, by exactly one of: Command through a shell; Argv
// without one (Shell is then empty); Script (a file's content, with Argv as its
// arguments); Push; Collect (with Argv as the paths). No environment name occurs twice.
type Run struct {
	Command    string   `json:"command,omitzero"`
	Argv       []string `json:"argv,omitempty"`
	Script     []byte   `json:"script,omitempty"`
	Shell      string   `json:"shell,omitzero"` // "" is the agent's default
	TimeoutMS  int64    `json:"timeout_ms"`     // 0 is none
	Cwd        string   `json:"cwd,omitzero"`
	Env        []string `json:"env,omitempty"` // "NAME=value"
	Stdin      []byte   `json:"stdin,omitempty"`
	User       string   `json:"user,omitzero"`         // run-as; "" is the agent's own user
	MaxOutput  int64    `json:"max_output"`            // bytes kept of each stream
	SecretHash []byte   `json:"secret_hash,omitempty"` // SHA-256 of the request's secret text

	KillLeftovers bool `json:"kill_leftovers,omitzero"` // end the background processes of a command that has ended

	Push    *Push    `json:"push,omitzero"`
	Collect *Collect `json:"collect,omitzero"`
}

// HasFiles reports whether a run is a push or a collect.
func (r *Run) HasFiles() bool { return r.Push != nil || r.Collect != nil }

// A Push says which files the agent writes. The manifest lists them, with the SHA-256 of each.
// The content of the files, in the order of the manifest, is in the request's secret, or comes
// through Queue, sealed with the key in the secret. Without a Manifest, the content begins with
// it.
type Push struct {
	Path         string `json:"path"`                // what the paths of the manifest are relative to: a full path
	Manifest     []byte `json:"manifest,omitempty"`  // JSON text
	ManifestSize int64  `json:"manifest_size"`       // bytes
	Digest       []byte `json:"digest"`              // SHA-256 of the manifest
	Size         int64  `json:"size,omitzero"`       // bytes of content, without a manifest in it
	Queue        string `json:"queue,omitzero"`      // FileQueue or OwnQueue
	Mode         int64  `json:"mode,omitzero"`       // of files, instead of the mode in the manifest
	Owner        string `json:"owner,omitzero"`      // USER[:GROUP]
	Backup       bool   `json:"backup,omitzero"`     // keep a replaced file as NAME~
	Mkdir        bool   `json:"mkdir,omitzero"`      // create the directory of Path
	CheckOnly    bool   `json:"check_only,omitzero"` // only compare
	Within       string `json:"within,omitzero"`     // directory that no symbolic link leads out of
}

// A Collect says that the agent sends files. Run.Argv has their paths, which may have wildcards.
type Collect struct {
	MaxSize int64  `json:"max_size"`        // of all files together
	Within  string `json:"within,omitzero"` // as in Push
}

// Timeout is the longest that the command may run; 0 is no limit.
func (r *Run) Timeout() time.Duration { return time.Duration(r.TimeoutMS) * time.Millisecond }

// A Target has the validity of the run that a cancel or a status is about. It shows an agent
// that does not know the job whether the agent would know it.
type Target struct {
	IssuedAt int64 `json:"issued_at"`
	NotAfter int64 `json:"not_after"`
}

// A Leaf binds one job to one host within a statement's tree.
type Leaf struct {
	Job   string `json:"job"` // UUIDv4; the AMQP correlation id
	Host  string `json:"host"`
	Index int    `json:"index"` // 0 ≤ index < size
}

// A Secret holds values that must not be stored. A request has its JSON text next to the
// statement, which contains the text's SHA-256. Salt (at least 16 random bytes) prevents
// guessing a short value from the hash.
type Secret struct {
	Salt  []byte   `json:"salt"`
	Env   []string `json:"env,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"`

	Key     []byte `json:"key,omitempty"`     // of the content of a push
	Content []byte `json:"content,omitempty"` // of a push without a queue
}

// A Request is a request body that has been decoded strictly and whose leaf
// belongs to its statement. Its signature is not verified yet.
type Request struct {
	Statement Statement
	Leaf      Leaf // zero for discover
	Secret    *Secret

	StatementText string   // as signed
	Signature     string   // base64 SSHSIG, or empty
	Digest        [32]byte // SHA-256 of the body
}

// Replies. At, AcceptedAt, StartedAt and EndedAt are milliseconds since 1970,
// UTC, by the agent's clock.

// Accepted says that the job waits for a free worker.
type Accepted struct {
	V     int    `json:"v"`
	Job   string `json:"job"`
	Agent string `json:"agent"` // the agent's id
	At    int64  `json:"at"`
}

// Started says that the command runs.
type Started struct {
	V        int    `json:"v"`
	Job      string `json:"job"`
	Agent    string `json:"agent"`
	At       int64  `json:"at"`
	CodePage int    `json:"code_page,omitzero"` // as in Ended
}

// Transfer says how much of the content of a push the agent wants, from its beginning, and how
// much it has received. The first one of a job asks the operator for the content.
type Transfer struct {
	V        int    `json:"v"`
	Job      string `json:"job"`
	Agent    string `json:"agent"`
	Wanted   int64  `json:"wanted"`            // bytes, at least 1
	Received int64  `json:"received,omitzero"` // bytes, at most Wanted
	At       int64  `json:"at"`
}

// Ended reports the job's outcome.
type Ended struct {
	V          int     `json:"v"`
	Job        string  `json:"job"`
	Agent      string  `json:"agent"`
	Outcome    Outcome `json:"outcome"`
	ExitCode   *int    `json:"exit_code,omitzero"` // with exited
	Signal     string  `json:"signal,omitzero"`    // with signaled: "SIGSEGV", or "SIG" and a number
	Reason     string  `json:"reason,omitzero"`    // for people; EncodeReply cuts it to MaxReason
	AcceptedAt int64   `json:"accepted_at,omitzero"`
	StartedAt  int64   `json:"started_at,omitzero"` // absent: never begun
	EndedAt    int64   `json:"ended_at"`
	Killed     int     `json:"killed,omitzero"` // processes of the command that the agent ended
	Left       int     `json:"left,omitzero"`   // processes of the command that live on
	Stdout     *Stream `json:"stdout,omitzero"`
	Stderr     *Stream `json:"stderr,omitzero"`
	CodePage   int     `json:"code_page,omitzero"` // what the output is encoded in, on Windows; absent: UTF-8, or what the host's locale says
	Request    []byte  `json:"request,omitempty"`  // with rejected: SHA-256 of the body it refuses
}

// Stream is the account of one of a command's two outputs. Size bytes were
// produced; Dropped of them, from the middle, were not kept; Gone says that the
// kept ones have since been evicted from the agent. Data is the whole output
// where it is small (then nothing was dropped and no output message was sent);
// both streams' Data together are at most MaxInline bytes.
type Stream struct {
	Size    int64  `json:"size"`
	Dropped int64  `json:"dropped,omitzero"`
	Gone    bool   `json:"gone,omitzero"`
	Data    []byte `json:"data,omitempty"`
}

// The values of State.State. An ended job is answered with its output and
// Ended, not with State.
const (
	StateAccepted  = "accepted" // waits for a worker
	StateRunning   = "running"
	StateUnknown   = "unknown"   // the agent would know it, and does not: it has not arrived
	StateForgotten = "forgotten" // it may have run before this agent's memory begins, or before it took the name
)

// State answers status, and cancel while the command still dies.
type State struct {
	V          int    `json:"v"`
	Job        string `json:"job"`
	Agent      string `json:"agent"`
	State      string `json:"state"`
	Canceling  bool   `json:"canceling,omitzero"`
	AcceptedAt int64  `json:"accepted_at,omitzero"`
	StartedAt  int64  `json:"started_at,omitzero"`
	Since      int64  `json:"since,omitzero"`  // with forgotten: jobs issued from then on are known
	Reason     string `json:"reason,omitzero"` // with forgotten, for people: why. EncodeReply cuts it to MaxReason
	At         int64  `json:"at"`
}

// Checked answers check: whether the agent would run it, and how.
type Checked struct {
	V        int      `json:"v"`
	Job      string   `json:"job"`
	Agent    string   `json:"agent"`
	WouldRun bool     `json:"would_run"`
	Reason   string   `json:"reason,omitzero"` // why not
	Rule     string   `json:"rule,omitzero"`   // what permits it
	User     string   `json:"user,omitzero"`
	Argv     []string `json:"argv,omitempty"`  // what would be executed, shell included; left out where the reply would exceed MaxReply
	Binary   string   `json:"binary,omitzero"` // the file that argv[0] names
	Cwd      string   `json:"cwd,omitzero"`
	At       int64    `json:"at"`
}

// The values of Granted.State.
const (
	GrantValid   = "valid"   // the signer has the rights that the reply lists
	GrantExpired = "expired" // the expiry-time of the line has passed
	GrantRevoked = "revoked" // the key, its certificate or its authority is revoked
)

// Granted answers rights: what the signer of the question may do on this host. If State is
// not GrantValid, the signer may do nothing, and the reply says nothing else.
type Granted struct {
	V     int    `json:"v"`
	Job   string `json:"job"`
	Agent string `json:"agent"`
	State string `json:"state"`

	Rule        string   `json:"rule,omitzero"`            // what permits it
	User        string   `json:"user,omitzero"`            // the agent's own
	Confined    bool     `json:"confined,omitzero"`        // only Commands are permitted
	Commands    []string `json:"commands,omitempty"`       // expressions that a command must match
	Shell       bool     `json:"shell,omitzero"`           // if confined: may name a shell
	Script      bool     `json:"script,omitzero"`          // if confined: may send scripts
	Stdin       bool     `json:"stdin,omitzero"`           // if confined: may send standard input
	Env         []string `json:"env,omitempty"`            // names of variables that need a permission
	Cwds        []string `json:"cwds,omitempty"`           // if confined: working directories
	Push        []string `json:"push,omitempty"`           // if confined: directories that it may write to
	Collect     []string `json:"collect,omitempty"`        // if confined: directories that it may read
	RunAs       []string `json:"run_as,omitempty"`         // users; none: the agent's own
	AnyJob      bool     `json:"any_job,omitzero"`         // may query and cancel others' jobs
	Expires     int64    `json:"expires,omitzero"`         // when the rights end; ms
	MaxValidity int64    `json:"max_validity_ms,omitzero"` // of a statement; ms. 0: no limit
	MaxOutput   int64    `json:"max_output,omitzero"`      // bytes kept of each stream
	Omitted     int      `json:"omitted,omitzero"`         // entries of the lists that the reply has no room for

	At int64 `json:"at"`
}

// Hello answers discover; its correlation id is the statement's task.
type Hello struct {
	V       int      `json:"v"`
	Agent   string   `json:"agent"`
	Names   []string `json:"names"` // all that it answers to, its id first
	Facts   Facts    `json:"facts"`
	Running int      `json:"running"`
	Queued  int      `json:"queued"`
	Workers int      `json:"workers"`
	Disk    Disk     `json:"disk,omitzero"`
	ReadyAt int64    `json:"ready_at,omitzero"` // a new agent takes only jobs issued from then on; absent: it takes all
	At      int64    `json:"at"`

	RefusedFiles []RefusedFile `json:"refused_files,omitempty"` // each of its two files at most once
}

// The files of RefusedFile.File.
const (
	AuthorizedOperators = "authorized_operators"
	RevokedOperators    = "revoked_operators"
)

// The values of RefusedFile.Problem.
const (
	FileMissing    = "missing"    // it existed earlier and does not exist now
	FileOwner      = "owner"      // Path belongs to neither root nor the agent's user, but to UID
	FileMode       = "mode"       // group or others may write Path, by its Mode
	FileLine       = "line"       // Line is invalid; Reason says why
	FileUnreadable = "unreadable" // the agent cannot read the file; Reason says why
)

// A RefusedFile is a file of permissions that the agent refuses: it grants no permission
// until an administrator corrects it.
type RefusedFile struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
	Path    string `json:"path"`            // the file or directory with the problem
	UID     int64  `json:"uid,omitzero"`    // with owner
	Mode    int    `json:"mode,omitzero"`   // with mode: the permission bits
	Line    int    `json:"line,omitzero"`   // with line; the first is 1
	Reason  string `json:"reason,omitzero"` // with line and unreadable: for people
}

// A Disk is the reason why an agent cannot write to its data directory.
type Disk string

// The values of Disk.
const (
	DiskOK       Disk = ""
	DiskFull     Disk = "full"
	DiskQuota    Disk = "quota"
	DiskReadOnly Disk = "read_only"
	DiskFailing  Disk = "failing" // it reports errors
)

// Facts describe an agent's machine. Facts that the agent cannot determine are absent.
type Facts struct {
	OS        string            `json:"os"`      // as runtime.GOOS
	Arch      string            `json:"arch"`    // as runtime.GOARCH
	Version   string            `json:"version"` // Warren's
	Hostname  string            `json:"hostname"`
	Labels    map[string]string `json:"labels,omitempty"`
	StartedAt int64             `json:"started_at"` // the agent's own start

	Distribution        string   `json:"distribution,omitzero"`         // ID of os-release(5)
	DistributionVersion string   `json:"distribution_version,omitzero"` // VERSION_ID of os-release(5)
	Kernel              string   `json:"kernel,omitzero"`               // its release, as uname -r
	Addresses           []string `json:"addresses,omitempty"`           // neither loopback nor link-local
	CPUs                int      `json:"cpus,omitzero"`                 // that the agent may use
	Memory              int64    `json:"memory,omitzero"`               // bytes
	BootedAt            int64    `json:"booted_at,omitzero"`            // the machine's start
	CodePage            int      `json:"code_page,omitzero"`            // what commands print in, on Windows
}

// An Output is a reply of type output: bytes of one stream at an offset in it.
type Output struct {
	Job    string
	Stream string // Stdout or Stderr
	Offset int64
	Data   []byte
}

// The names of a command's outputs, as in header stream.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

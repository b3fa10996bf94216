// Package status reports how an agent is doing, to programs on the same machine: an actor
// answers on a unix socket in the agent's data directory, and Query asks it.
package status

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"warren/executor"
	"warren/internal/broker"
	"warren/internal/hint"
	"warren/internal/wire"
)

// A State is an agent's status in one word.
type State string

const (
	OK       State = "ok"
	Degraded State = "degraded" // there are Problems
)

// A Problem is a reason why an agent is degraded.
type Problem string

const (
	Stuck        Problem = "stuck"         // the agent's loop does not answer
	Stopping     Problem = "stopping"      // it starts no further job
	LinkDown     Problem = "link_down"     // no broker, or another agent holds its id
	LinkBlocked  Problem = "link_blocked"  // the broker accepts no messages
	NamesMissing Problem = "names_missing" // other agents have some of its names
	JournalFails Problem = "journal_fails" // it can accept no job
	DiskFails    Problem = "disk_fails"    // no output can be written to the data directory
	DiskLow      Problem = "disk_low"      // less than lowDisk of the file system is free
	FilesRefused Problem = "files_refused" // changes of authorized_operators or revoked_operators have no effect
)

// lowDisk is the free part of the file system below which the disk is low.
const lowDisk = 0.05

// A Report is an agent's status as a JSON document. Times of day are in UTC. What is not known
// is null.
type Report struct {
	State    State     `json:"state"`
	Problems []Problem `json:"problems"`
	ID       string    `json:"id"`
	PID      int       `json:"pid"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Link     Link      `json:"link"`
	Names    Names     `json:"names"`
	Jobs     *Jobs     `json:"jobs"` // null, like all fields below, if the agent's loop does not answer
	Journal  *Journal  `json:"journal"`
	Disk     *Disk     `json:"disk"`
	Clock    *Clock    `json:"clock"`
	Refused  *Refused  `json:"refused"`
}

// Link is the connection to the broker.
type Link struct {
	State      broker.Phase `json:"state"`
	Since      time.Time    `json:"since"`
	URL        string       `json:"url"` // without the password
	Error      string       `json:"error"`
	Hint       string       `json:"hint"`
	Reconnects int          `json:"reconnects"`
}

// Names are the host names of the agent.
type Names struct {
	Configured []string `json:"configured"`
	Held       []string `json:"held"` // at the broker now
}

// Jobs are counts of jobs.
type Jobs struct {
	Running    int                  `json:"running"`
	Waiting    int                  `json:"waiting"`
	HeldBack   int                  `json:"held_back"` // until the inbox is read to its end
	Remembered int                  `json:"remembered"`
	Workers    int                  `json:"workers"`
	Queue      int                  `json:"queue"`
	Ended      map[wire.Outcome]int `json:"ended"` // since the start
}

// Journal is the agent's journal.
type Journal struct {
	Bytes          int64     `json:"bytes"`
	Error          string    `json:"error"` // of the last write
	TakesJobsSince time.Time `json:"takes_jobs_since"`
	Syncs          int       `json:"syncs"` // since the start
	SyncMeanMS     float64   `json:"sync_mean_ms"`
	SyncMaxMS      float64   `json:"sync_max_ms"`
}

// Disk is the file system of the data directory.
type Disk struct {
	Directory   string    `json:"directory"`
	State       wire.Disk `json:"state"` // empty: it takes data
	Free        *uint64   `json:"free"`  // bytes
	Total       *uint64   `json:"total"`
	OutputBytes int64     `json:"output_bytes"` // kept output
}

// Clock compares the clocks of operators with this host's.
type Clock struct {
	// OffsetMS is the best estimate: positive if operators' clocks are ahead.
	OffsetMS *int64        `json:"offset_ms"`
	Requests []ClockOffset `json:"requests"` // the last ones, oldest first
}

// A ClockOffset is the issue time of a request minus the time of its arrival.
type ClockOffset struct {
	At       time.Time `json:"at"`
	OffsetMS int64     `json:"offset_ms"`
}

// Refused are the requests that the agent refused since its start.
type Refused struct {
	Counts map[string]int     `json:"counts"` // by reason
	Last   []Refusal          `json:"last"`   // oldest first
	Files  []wire.RefusedFile `json:"files"`  // of the trust policy
}

// A Refusal is a refused request.
type Refusal struct {
	At          time.Time `json:"at"`
	Reason      string    `json:"reason"`
	Type        string    `json:"type"`
	Task        string    `json:"task"`
	Job         string    `json:"job"`
	Operator    string    `json:"operator"`
	Fingerprint string    `json:"fingerprint"`
	Detail      string    `json:"detail"`
}

// An Agent is asked for its status. *executor.Agent is one.
type Agent interface {
	Status(ctx context.Context) (*executor.Status, error)
	Link() *broker.State
	Names() []string
}

// A Source makes reports.
type Source struct {
	Agent   Agent
	DataDir string
	Version string
	Started time.Time // of the process
}

// answerTimeout is how long the agent's loop has to answer. It answers within milliseconds
// unless it is stuck.
const answerTimeout = 3 * time.Second

// Report asks the agent. If its loop does not answer in time, the report says so.
func (s *Source) Report(ctx context.Context) *Report {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	st, err := s.Agent.Status(ctx)
	link := s.Agent.Link()
	names := s.Agent.Names()
	r := &Report{
		ID: names[0], PID: os.Getpid(), Version: s.Version, Started: s.Started.UTC(),
		Link:  Link{State: link.Phase, Since: link.Since.UTC(), URL: link.URL},
		Names: Names{Configured: names, Held: []string{}}, Problems: []Problem{},
	}
	if link.Err != nil {
		r.Link.Error, r.Link.Hint = link.Err.Error(), hint.First(link.Err)
	}
	if err == nil {
		r.add(st, s.DataDir)
	} else {
		r.Problems = append(r.Problems, Stuck)
	}
	switch link.Phase {
	case broker.Connecting:
		r.Problems = append(r.Problems, LinkDown)
	case broker.Blocked:
		r.Problems = append(r.Problems, LinkBlocked)
	}
	r.State = OK
	if len(r.Problems) > 0 {
		r.State = Degraded
	}
	return r
}

// add adds what the agent's loop has answered.
func (r *Report) add(st *executor.Status, dir string) {
	r.Link.Reconnects = max(0, st.Stats.Sessions-1)
	if st.Names != nil {
		r.Names.Held = st.Names
	}
	r.Jobs = &Jobs{
		Running: st.Running, Waiting: st.Waiting, HeldBack: st.HeldBack, Remembered: st.Remembered,
		Workers: st.Workers, Queue: st.Queue, Ended: st.Stats.Ended,
	}
	if r.Jobs.Ended == nil {
		r.Jobs.Ended = map[wire.Outcome]int{}
	}
	syncs := &st.Stats.Syncs
	r.Journal = &Journal{
		Bytes: st.JournalSize, TakesJobsSince: st.TakesJobsSince.UTC(), Syncs: syncs.Count(), SyncMaxMS: ms(syncs.Max),
	}
	if n := syncs.Count(); n > 0 {
		r.Journal.SyncMeanMS = ms(syncs.Sum / time.Duration(n))
	}
	if st.JournalErr != nil {
		r.Journal.Error = st.JournalErr.Error()
	}
	r.Disk = &Disk{Directory: dir, State: st.Disk, OutputBytes: st.OutputSize}
	if u, err := disk.Usage(dir); err == nil {
		r.Disk.Free, r.Disk.Total = &u.Free, &u.Total
	}
	r.addRequests(st)
	r.find(st)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// addRequests adds the clocks and refusals of the last requests.
func (r *Report) addRequests(st *executor.Status) {
	r.Clock = &Clock{Requests: []ClockOffset{}}
	for _, o := range st.Stats.ClockOffsets {
		r.Clock.Requests = append(r.Clock.Requests, ClockOffset{o.At.UTC(), o.Offset.Milliseconds()})
	}
	if best, ok := st.Stats.BestClockOffset(); ok {
		r.Clock.OffsetMS = new(best.Milliseconds())
	}
	r.Refused = &Refused{Counts: map[string]int{}, Last: []Refusal{}, Files: st.RefusedFiles}
	if r.Refused.Files == nil {
		r.Refused.Files = []wire.RefusedFile{}
	}
	for reason, n := range st.Stats.Refused {
		r.Refused.Counts[string(reason)] = n
	}
	for _, f := range st.Stats.LastRefusals {
		r.Refused.Last = append(r.Refused.Last, Refusal{
			At: f.At.UTC(), Reason: string(f.Reason), Type: f.Type, Task: f.Task, Job: f.Job,
			Operator: f.Operator, Fingerprint: f.Fingerprint, Detail: f.Detail,
		})
	}
}

// find finds the problems of the agent itself.
func (r *Report) find(st *executor.Status) {
	for _, p := range []struct {
		problem Problem
		is      bool
	}{
		{Stopping, st.Stopping},
		{NamesMissing, st.Names != nil && len(r.missing()) > 0},
		{JournalFails, st.JournalErr != nil},
		{DiskFails, st.Disk != wire.DiskOK},
		{DiskLow, r.Disk.Total != nil && *r.Disk.Total > 0 && float64(*r.Disk.Free) < lowDisk*float64(*r.Disk.Total)},
		{FilesRefused, len(st.RefusedFiles) > 0},
	} {
		if p.is {
			r.Problems = append(r.Problems, p.problem)
		}
	}
}

// missing returns the configured names that the agent does not hold.
func (r *Report) missing() (names []string) {
	for _, name := range r.Names.Configured {
		if !slices.Contains(r.Names.Held, name) {
			names = append(names, name)
		}
	}
	return names
}

package process

// Survivors tells what KillSurvivors met.
type Survivors struct {
	// Killed is how many living processes of the command were seen and ended.
	// One that was born between the look and the kill is not counted.
	Killed int
	// Detached is how many processes bear the mark but are not in the
	// command's session: daemons that it started on purpose. They live on.
	Detached int
}

// KillSurvivors ends what lives of a command whose agent was killed while it
// ran. id is its leader as it was recorded, the zero Identity where the agent
// did not come to that. mark is an entry of the environment, "NAME=value",
// that the command was given and no other has: what it started bears it too,
// unless that cleared its environment.
//
// A nil error is the certainty that nothing lives of the command's process
// group, on Linux of its whole session: shells with job control give each
// command a group of its own. Else the error says what may live and why; it
// is worded for an outcome's reason. Nothing is killed that is not shown to be
// the command's own, and never what is in this program's own session. A
// process that left the session (setsid) is left alone, as it is after a
// normal end.
//
// What shows that a process is the command's own: no system gives out the id of
// a group or a session as a process id while any member of it lives (POSIX,
// Process ID Reuse). So
//   - where the leader is still there (the same start), all of its group is the
//     command's, marked or not;
//   - where another process has the leader's id, all of the group has ended;
//   - where nobody has it, the group may be the command's or, if the id went
//     round, a stranger's whose leader has gone too. On Linux a member that
//     bears the mark shows it to be the command's, since only a fork leads into
//     a session; without one, and on other systems, it is left alone.
//
// Without an id the leader is looked for by its mark (Linux): it is older than
// all that it started, and it leads a session. That is never certain: a daemon
// may be taken for a leader that has gone, and what cleared its environment is
// not found.
//
// On Windows the command ended with its agent, as the job object's last handle
// was closed; there is nothing to do.
//
// The call takes some milliseconds; three seconds where a process does not end.
func KillSurvivors(id Identity, mark string) (Survivors, error) { return killSurvivors(id, mark) }

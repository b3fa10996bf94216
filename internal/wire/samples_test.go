package wire

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

const (
	sampleTask  = "7d4a6c1e-2f35-4b8a-9c0d-1e2f3a4b5c6d"
	sampleIssue = 1767225600000 // 2026-01-01T00:00:00Z
	sampleReply = "warren.reply.alice.3f9c1b7e5a2d4860"
)

func sampleJob(i int) string { return fmt.Sprintf("0b1c2d3e-4f50-4a6b-8c7d-%012x", i) }

func sampleLeaves(n int) []Leaf {
	leaves := make([]Leaf, n)
	for i := range leaves {
		leaves[i] = Leaf{Job: sampleJob(i), Host: fmt.Sprintf("web%02d", i+1), Index: i}
	}
	return leaves
}

// sampleStatement is valid but for Root and Size, which NewBatch fills.
func sampleStatement(typ string) Statement {
	st := Statement{
		Type: typ, Task: sampleTask, ReplyTo: sampleReply,
		IssuedAt: sampleIssue, NotAfter: sampleIssue + 60_000,
	}
	switch typ {
	case TypeRun, TypeCheck:
		st.Run = &Run{Command: "uname -a", TimeoutMS: 60_000, MaxOutput: 1 << 20}
	case TypeCancel, TypeStatus:
		st.Of = &Target{IssuedAt: sampleIssue - 5000, NotAfter: sampleIssue + 55_000}
	}
	return st
}

func sampleBatch(t testing.TB, st Statement, n int) *Batch {
	t.Helper()
	b, err := NewBatch(st, sampleLeaves(n), nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sampleReplies has one of each type with every member that may be there.
func sampleReplies() map[string]any {
	const agent, at = "web01", sampleIssue + 100
	job, zero, sum := sampleJob(0), 0, sha256.Sum256(nil)
	return map[string]any{
		"accepted": &Accepted{V: 1, Job: job, Agent: agent, At: at},
		"started":  &Started{V: 1, Job: job, Agent: agent, At: at, CodePage: 936},
		"transfer": &Transfer{V: 1, Job: job, Agent: agent, Wanted: 900, Received: 300, At: at},
		"ended": &Ended{
			V: 1, Job: job, Agent: agent, Outcome: Exited, ExitCode: &zero, Reason: "by the book",
			AcceptedAt: at, StartedAt: at + 1, EndedAt: at + 2, Killed: 3, Left: 1,
			Stdout: &Stream{Size: 3, Data: []byte("ok\n")}, Stderr: &Stream{Size: 900, Dropped: 800, Gone: true}, CodePage: 936,
		},
		"signaled":  &Ended{V: 1, Job: job, Agent: agent, Outcome: Signaled, Signal: "SIGRTMIN+3", EndedAt: at},
		"rejected":  &Ended{V: 1, Job: job, Agent: agent, Outcome: Rejected, Reason: "queue full", EndedAt: at, Request: sum[:]},
		"state":     &State{V: 1, Job: job, Agent: agent, State: StateRunning, Canceling: true, AcceptedAt: at, StartedAt: at, At: at},
		"forgotten": &State{V: 1, Job: job, Agent: agent, State: StateForgotten, Since: at, Reason: "a newcomer", At: at},
		"checked": &Checked{
			V: 1, Job: job, Agent: agent, WouldRun: true, Rule: "any", User: "alice",
			Argv: []string{"/bin/sh", "-c", "uname -a"}, Binary: "/bin/sh", Cwd: "/", At: at,
		},
		"refused": &Checked{V: 1, Job: job, Agent: agent, Reason: "no such user", At: at},
		"granted": &Granted{
			V: 1, Job: job, Agent: agent, State: GrantValid, Rule: "ops:2 (help desk)", User: "warrend", Confined: true,
			Commands: []string{"df( -h)?", "uptime"}, Shell: true, Script: true, Stdin: true, Env: []string{"LANG"}, Cwds: []string{"/srv"}, RunAs: []string{"deploy"},
			AnyJob: true, Expires: at + 1000, MaxValidity: 86_400_000, MaxOutput: 1 << 20, Omitted: 3, At: at,
		},
		"granted anything": &Granted{V: 1, Job: job, Agent: agent, State: GrantValid, Rule: "ops:1 (alice)", At: at},
		"revoked":          &Granted{V: 1, Job: job, Agent: agent, State: GrantRevoked, At: at},
		"hello": &Hello{
			V: 1, Agent: agent, Names: []string{agent, "10.0.0.7", "fe80::1"}, Running: 1, Queued: 2, Workers: 4, Disk: DiskReadOnly, ReadyAt: at + 30_000, At: at,
			Facts: Facts{
				OS: "linux", Arch: "arm64", Version: "0.1.0", Hostname: "Web01", Labels: map[string]string{"a": "1", "b": ""}, StartedAt: at,
				Distribution: "debian", DistributionVersion: "12", Kernel: "6.1.0-37-arm64", Addresses: []string{"192.0.2.7", "fd00::7"}, CPUs: 8, Memory: 16 << 30, BootedAt: at - 1000, CodePage: 936,
			},
			RefusedFiles: []RefusedFile{
				{File: AuthorizedOperators, Problem: FileMode, Path: "/etc/warren", Mode: 0o775},
				{File: RevokedOperators, Problem: FileLine, Path: "/etc/warren/revoked_operators", Line: 3, Reason: "a reason"},
			},
		},
		"hello of another's file": &Hello{
			V: 1, Agent: agent, Names: []string{agent}, At: at, Facts: Facts{OS: "linux", Arch: "386", Version: "0.1.0", Hostname: "x", StartedAt: at},
			RefusedFiles: []RefusedFile{{File: AuthorizedOperators, Problem: FileOwner, Path: "/etc/warren", UID: 1000}},
		},
		"hello of few facts": &Hello{
			V: 1, Agent: agent, Names: []string{agent}, At: at, Facts: Facts{OS: "plan9", Arch: "386", Version: "0.1.0", Hostname: "x", StartedAt: at},
		},
	}
}

// edit replaces exactly one occurrence.
func edit(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if n := bytes.Count([]byte(text), []byte(old)); n != 1 {
		t.Fatalf("%d times %q in %s", n, old, text)
	}
	return string(bytes.Replace([]byte(text), []byte(old), []byte(replacement), 1))
}

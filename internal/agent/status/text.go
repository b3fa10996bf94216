package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"warren/internal/displaywidth"
	"warren/internal/translate"
)

// problemWords describe problems.
var problemWords = map[Problem]string{
	Stuck:        "the agent does not answer; its watchdog, if there is one, restarts it",
	Stopping:     "the agent is stopping",
	LinkDown:     "no link to the broker",
	LinkBlocked:  "the broker accepts no messages",
	NamesMissing: "the agent does not hold all its names",
	JournalFails: "the journal cannot be written: the agent accepts no jobs",
	DiskFails:    "output cannot be written to the disk",
	DiskLow:      "less than 5 % of the disk is free",
	FilesRefused: "authorized_operators or revoked_operators is refused: its changes have no effect",
}

// A table is the report in the language of a person.
type table struct {
	lang *translate.Language
	rows [][]string
}

// add adds a row: the name of what it is about, and a text.
func (t *table) add(name, format string, args ...any) {
	t.rows = append(t.rows, []string{t.lang.Word(name), t.lang.Sprintf(format, args...)})
}

// Print prints a report for people.
func (r *Report) Print(w io.Writer, lang *translate.Language) error {
	t := &table{lang: lang}
	t.add("state", "%s", lang.WordIn("agent", string(r.State)))
	for _, p := range r.Problems {
		t.add("", "%s", cmp.Or(problemWords[p], string(p)))
	}
	if r.ID != "" {
		r.addAgent(t)
	}
	if r.ID != "" && r.Jobs != nil {
		r.addLoop(t)
	}
	return displaywidth.WriteTable(w, t.rows)
}

// addAgent adds the agent, its link and its names.
func (r *Report) addAgent(t *table) {
	t.add("agent", "%s, version %s, process %d, started %s", r.ID, r.Version, r.PID, clock(r.Started))
	t.add("link", "%s since %s, %s, reconnected %s", t.lang.Word(string(r.Link.State)), clock(r.Link.Since), cmp.Or(r.Link.URL, "no broker tried yet"), times(r.Link.Reconnects))
	if r.Link.Error != "" {
		t.add("", "%s", r.Link.Error)
	}
	if r.Link.Hint != "" {
		t.add("", "hint: %s", r.Link.Hint)
	}
	t.add("names", "%s", cmp.Or(strings.Join(r.Names.Held, " "), "none held now"))
	if missing := r.missing(); len(missing) > 0 {
		t.add("", "not held: %s", strings.Join(missing, " "))
	}
}

// addLoop adds what the agent's loop has answered.
func (r *Report) addLoop(t *table) {
	j := r.Jobs
	t.add("jobs", "%d running (limit %d), %d waiting (limit %d), %d remembered", j.Running, j.Workers, j.Waiting+j.HeldBack, j.Queue, j.Remembered)
	t.add("ended", "%s", counts(j.Ended))
	t.add("journal", "%s, accepts jobs issued since %s, %d syncs, mean %.1f ms, longest %.1f ms",
		size(uint64(r.Journal.Bytes)), clock(r.Journal.TakesJobsSince), r.Journal.Syncs, r.Journal.SyncMeanMS, r.Journal.SyncMaxMS)
	if r.Journal.Error != "" {
		t.add("", "%s", r.Journal.Error)
	}
	free := "free space not known"
	if r.Disk.Free != nil {
		free = fmt.Sprintf("%s of %s free", size(*r.Disk.Free), size(*r.Disk.Total))
	}
	t.add("disk", "%s, %s, %s of output kept", r.Disk.Directory, free, size(uint64(r.Disk.OutputBytes)))
	offset := "no request yet"
	if o := r.Clock.OffsetMS; o != nil {
		offset = fmt.Sprintf("operators' clocks are %s (last %d requests)", ahead(time.Duration(*o)*time.Millisecond), len(r.Clock.Requests))
	}
	t.add("clock", "%s", offset)
	t.add("refused", "%s", counts(r.Refused.Counts))
	for _, f := range r.Refused.Last {
		text := clock(f.At) + " " + f.Reason
		if f.Type != "" {
			text += " " + f.Type
		}
		switch who := cmp.Or(f.Operator, f.Fingerprint); {
		case who != "":
			t.add("", "%s by %s: %s", text, who, f.Detail)
		case f.Detail != "":
			t.add("", "%s: %s", text, f.Detail)
		default:
			t.add("", "%s", text)
		}
	}
	for _, f := range r.Refused.Files {
		t.add("", "file %s: %s", f.Path, cmp.Or(f.Reason, f.Problem))
	}
}

// ahead says how far a clock is ahead or behind.
func ahead(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("%v behind, or less", -d)
	}
	return fmt.Sprintf("%v ahead", d)
}

// counts lists counts, such as "2 rejected, 12 exited".
func counts[K ~string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
	}
	return cmp.Or(strings.Join(parts, ", "), "none since the start")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// size formats bytes.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/unit, 0
	for value >= unit && i < len("KMGT")-1 {
		value, i = value/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[i])
}

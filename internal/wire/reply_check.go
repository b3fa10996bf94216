package wire

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"warren/internal/hostname"
	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
)

// The checks of an agent's messages. The sender makes the same checks.

func (a *Accepted) check() error { return checkReply(a.Job, a.Agent, "at", a.At) }

func (s *Started) check() error {
	return first(checkReply(s.Job, s.Agent, "at", s.At), checkCount("code_page", s.CodePage))
}

func (t *Transfer) check() error {
	switch {
	case t.Wanted <= 0 || t.Wanted > MaxSize:
		return strict.Invalid("wanted", "is out of range")
	case t.Received < 0 || t.Received > t.Wanted:
		return strict.Invalid("received", "is out of range: 0 to wanted")
	}
	return checkReply(t.Job, t.Agent, "at", t.At)
}

func checkReply(job, agent, atMember string, at int64) error {
	if !isUUID(job) {
		return strict.Invalid("job", "is not a UUID of version 4 in lower case")
	}
	return first(checkAgent(agent), checkTime(atMember, at))
}

func checkAgent(agent string) error {
	if !hostname.IsNormal(agent) {
		return strict.Invalid("agent", "is not a host name in its normal form")
	}
	return nil
}

func checkTime(member string, at int64) error {
	if at <= 0 || at > MaxTime {
		return strict.Invalid(member, "is out of range")
	}
	return nil
}

func checkTimeIfAny(member string, at int64) error {
	if at == 0 {
		return nil
	}
	return checkTime(member, at)
}

// checkWords checks a text for people or a name: bounded and UTF-8.
func checkWords(member, s string, limit int) error {
	switch {
	case len(s) > limit:
		return strict.Invalid(member, "has %d bytes, the limit is %d", len(s), limit)
	case !utf8.ValidString(s):
		return strict.Invalid(member, "is not UTF-8")
	}
	return nil
}

// AgentOutcomes are the outcomes that an agent may assign.
var AgentOutcomes = []Outcome{Exited, Signaled, TimedOut, Canceled, FailedToStart, Rejected, Expired, Interrupted}

func (e *Ended) check() error {
	if !slices.Contains(AgentOutcomes, e.Outcome) {
		return strict.Invalid("outcome", "is not one that an agent assigns")
	}
	switch {
	case (e.ExitCode != nil) != (e.Outcome == Exited):
		return checkPresence("exit_code", e.Outcome == Exited, string(e.Outcome)+" job")
	case (e.Signal != "") != (e.Outcome == Signaled):
		return checkPresence("signal", e.Outcome == Signaled, string(e.Outcome)+" job")
	case (len(e.Request) != 0) != (e.Outcome == Rejected):
		return checkPresence("request", e.Outcome == Rejected, string(e.Outcome)+" job")
	case e.ExitCode != nil && (int64(*e.ExitCode) < MinExitCode || int64(*e.ExitCode) > MaxExitCode):
		return strict.Invalid("exit_code", "is out of range")
	case e.Signal != "" && !isSignal(e.Signal):
		return strict.Invalid("signal", "is not the name of a signal: SIG and capitals or digits")
	case e.Outcome == Rejected && len(e.Request) != sha256.Size:
		return strict.Invalid("request", "has %d bytes, want %d", len(e.Request), sha256.Size)
	case e.Killed != 0 && e.StartedAt == 0:
		return strict.Invalid("killed", "does not belong to a job that never began")
	case e.Left != 0 && e.StartedAt == 0:
		return strict.Invalid("left", "does not belong to a job that never began")
	}
	return first(
		checkReply(e.Job, e.Agent, "ended_at", e.EndedAt),
		checkTimeIfAny("accepted_at", e.AcceptedAt),
		checkTimeIfAny("started_at", e.StartedAt),
		checkWords("reason", e.Reason, MaxReason),
		checkCount("killed", e.Killed),
		checkCount("left", e.Left),
		checkCount("code_page", e.CodePage),
		checkStreams(e.Stdout, e.Stderr),
	)
}

func isSignal(s string) bool {
	name, ok := strings.CutPrefix(s, "SIG")
	for i := range len(name) {
		if c := name[i]; (c < 'A' || c > 'Z') && !isDigit(c) && c != '+' && c != '-' {
			return false
		}
	}
	return ok && name != "" && len(s) <= MaxSignal
}

func checkStreams(stdout, stderr *Stream) error {
	if err := first(strict.AtPath(Stdout, stdout.check()), strict.AtPath(Stderr, stderr.check())); err != nil {
		return err
	}
	inline := 0
	for _, s := range []*Stream{stdout, stderr} {
		if s != nil {
			inline += len(s.Data)
		}
	}
	if inline > MaxInline {
		return strict.Invalid("stdout.data", "and stderr.data have %d bytes together, the limit is %d", inline, MaxInline)
	}
	return nil
}

func (s *Stream) check() error {
	switch {
	case s == nil:
		return nil
	case s.Size < 0 || s.Size > MaxSize:
		return strict.Invalid("size", "is out of range")
	case s.Dropped < 0 || s.Dropped > s.Size:
		return strict.Invalid("dropped", "is out of range: 0 to size")
	case len(s.Data) > 0 && (s.Dropped != 0 || s.Gone):
		return strict.Invalid("data", "does not belong to a stream of which something is dropped or gone")
	case len(s.Data) > 0 && int64(len(s.Data)) != s.Size:
		return strict.Invalid("data", "has %d bytes, which is not size", len(s.Data))
	}
	return nil
}

func (s *State) check() error {
	switch s.State {
	case StateAccepted, StateRunning:
	case StateUnknown, StateForgotten:
		if s.Canceling || s.AcceptedAt != 0 || s.StartedAt != 0 {
			return strict.Invalid("state", "is %s, yet more is said of the job", s.State)
		}
	default:
		return strict.Invalid("state", "is not one of the four states")
	}
	if s.Since != 0 && s.State != StateForgotten {
		return strict.Invalid("since", "belongs to forgotten, not to %s", s.State)
	}
	if s.Reason != "" && s.State != StateForgotten {
		return strict.Invalid("reason", "belongs to forgotten, not to %s", s.State)
	}
	return first(
		checkReply(s.Job, s.Agent, "at", s.At),
		checkWords("reason", s.Reason, MaxReason),
		checkTimeIfAny("accepted_at", s.AcceptedAt),
		checkTimeIfAny("started_at", s.StartedAt),
		checkTimeIfAny("since", s.Since),
	)
}

func (c *Checked) check() error {
	if c.WouldRun == (c.Reason != "") {
		return checkPresence("reason", !c.WouldRun, fmt.Sprintf("check with would_run %t", c.WouldRun))
	}
	if len(c.Argv) > MaxCheckedArgs {
		return strict.Invalid("argv", "has %d arguments", len(c.Argv))
	}
	return first(
		checkReply(c.Job, c.Agent, "at", c.At),
		checkWords("reason", c.Reason, MaxReason),
		checkWords("rule", c.Rule, MaxReason),
		checkWords("user", c.User, MaxUser),
		checkWords("binary", c.Binary, MaxFileName),
		checkWords("cwd", c.Cwd, MaxFileName),
	)
}

func (h *Hello) check() error {
	switch {
	case len(h.Names) == 0 || h.Names[0] != h.Agent:
		return strict.Invalid("names", "does not begin with agent")
	case len(h.Names) > MaxNames:
		return strict.Invalid("names", "has %d names, the limit is %d", len(h.Names), MaxNames)
	}
	for i, name := range h.Names {
		if !hostname.IsNormal(name) || slices.Contains(h.Names[:i], name) {
			return strict.Invalid(fmt.Sprintf("names[%d]", i), "is repeated or not a host name in its normal form")
		}
	}
	switch h.Disk {
	case DiskOK, DiskFull, DiskQuota, DiskReadOnly, DiskFailing:
	default:
		return strict.Invalid("disk", "is %q", strict.Clip(string(h.Disk), 40))
	}
	return first(
		checkRefusedFiles(h.RefusedFiles),
		checkAgent(h.Agent),
		checkCount("running", h.Running),
		checkCount("queued", h.Queued),
		checkCount("workers", h.Workers),
		checkTime("at", h.At),
		checkTimeIfAny("ready_at", h.ReadyAt),
		strict.AtPath("facts", h.Facts.check()),
	)
}

func checkRefusedFiles(files []RefusedFile) error {
	for i := range files {
		f := &files[i]
		member := fmt.Sprintf("refused_files[%d]", i)
		if slices.ContainsFunc(files[:i], func(other RefusedFile) bool { return other.File == f.File }) {
			return strict.Invalid(member+".file", "is named twice")
		}
		if err := strict.AtPath(member, f.check()); err != nil {
			return err
		}
	}
	return nil
}

// check also bounds the list, since no file is named twice.
func (f *RefusedFile) check() error {
	if f.File != AuthorizedOperators && f.File != RevokedOperators {
		return strict.Invalid("file", "is neither %s nor %s", AuthorizedOperators, RevokedOperators)
	}
	bears := map[string][]string{
		FileMissing: {}, FileOwner: {"uid"}, FileMode: {"mode"}, FileLine: {"line", "reason"}, FileUnreadable: {"reason"},
	}
	members, known := bears[f.Problem]
	if !known {
		return strict.Invalid("problem", "is not one of the five problems")
	}
	for _, m := range []struct {
		name  string
		there bool
	}{{"uid", f.UID != 0}, {"mode", f.Mode != 0}, {"line", f.Line != 0}, {"reason", f.Reason != ""}} {
		if want := slices.Contains(members, m.name); want != m.there {
			return checkPresence(m.name, want, "file with problem "+f.Problem)
		}
	}
	switch {
	case f.Path == "":
		return strict.Invalid("path", "is empty")
	case f.UID < 0 || f.UID > math.MaxUint32:
		return strict.Invalid("uid", "is out of range")
	case f.Mode < 0 || f.Mode > 0o7777:
		return strict.Invalid("mode", "is out of range")
	}
	return first(
		checkWords("path", f.Path, MaxFileName),
		checkCount("line", f.Line),
		checkWords("reason", f.Reason, MaxReason),
	)
}

func checkCount(member string, n int) error {
	if n < 0 || n > MaxCount {
		return strict.Invalid(member, "is out of range")
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return strict.Invalid("labels", "has %d labels, the limit is %d", len(labels), MaxLabels)
	}
	for name, value := range labels {
		if name == "" {
			return strict.Invalid("labels", "has one without a name")
		}
		if err := first(checkWords("labels", name, MaxFact), checkWords("labels", value, MaxFact)); err != nil {
			return err
		}
	}
	return nil
}

// CheckLabels returns an error if a hello cannot contain the labels.
func CheckLabels(labels map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		switch value := labels[name]; {
		case name == "":
			return errors.New("one has no name")
		case len(name) > MaxFact || len(value) > MaxFact:
			return fmt.Errorf("%q has more than the %d bytes that name and value may have", strict.Clip(name, 40), MaxFact)
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return fmt.Errorf("%q is not UTF-8", name)
		}
	}
	if len(labels) > MaxLabels {
		return fmt.Errorf("%d are too many, the limit is %d", len(labels), MaxLabels)
	}
	return checkJSONSize(labels, MaxLabelBytes)
}

// CheckNames returns an error if a hello cannot contain the agent's names. Each of them
// must already be a valid host name.
func CheckNames(names []string) error {
	if len(names) >= MaxNames { // its address may follow
		return fmt.Errorf("%d are too many, the limit is %d", len(names), MaxNames-1)
	}
	return checkJSONSize(names, MaxNameBytes)
}

func checkJSONSize(v any, limit int) error {
	text, err := json.Marshal(v)
	if err == nil && len(text) > limit {
		err = fmt.Errorf("they have %d bytes together, as JSON, the limit is %d", len(text), limit)
	}
	return err
}

func (f *Facts) check() error {
	if err := checkLabels(f.Labels); err != nil {
		return err
	}
	if len(f.Addresses) > MaxAddresses {
		return strict.Invalid("addresses", "has %d addresses, the limit is %d", len(f.Addresses), MaxAddresses)
	}
	for i, text := range f.Addresses {
		if a, err := netip.ParseAddr(text); err != nil || a.Zone() != "" || a.Unmap().String() != text {
			return strict.Invalid(fmt.Sprintf("addresses[%d]", i), "is not an IP address in its one form")
		}
	}
	if f.Memory < 0 || f.Memory > MaxSize {
		return strict.Invalid("memory", "is out of range")
	}
	return first(
		checkWords("os", f.OS, MaxFact),
		checkWords("arch", f.Arch, MaxFact),
		checkWords("version", f.Version, MaxFact),
		checkWords("hostname", f.Hostname, MaxFact),
		checkTime("started_at", f.StartedAt),
		checkWords("distribution", f.Distribution, MaxFact),
		checkWords("distribution_version", f.DistributionVersion, MaxFact),
		checkWords("kernel", f.Kernel, MaxFact),
		checkCount("cpus", f.CPUs),
		checkTimeIfAny("booted_at", f.BootedAt),
		checkCount("code_page", f.CodePage),
	)
}

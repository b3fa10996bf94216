package target

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/term"
)

// foldedWidth is how long a list of hosts in a greeting may be.
const foldedWidth = 40

// Greeting asks once which agents are online, and returns a line about them and a line about
// what to type first.
func Greeting(ctx context.Context, store Store, engine Engine, fleet string) (online, first string, err error) {
	recent, err := store.Agents(ctx, time.Now().Add(-goneFor))
	if err != nil {
		return "", "", err
	}
	call := discovery{recent: recent, complete: func([]model.Agent) bool { return true }}
	answers, err := engine.Discover(ctx, discoverTime, call.enough)
	if err != nil {
		return "", "", err
	}
	slices.SortFunc(answers, func(a, b model.Agent) int { return cmp.Compare(a.Agent, b.Agent) })
	ids := idsOf(answers)
	absent := slices.DeleteFunc(idsOf(recent), func(id string) bool { _, answers := slices.BinarySearch(ids, id); return answers })
	slices.Sort(absent)
	missing := ""
	if len(absent) > 0 {
		missing = fmt.Sprintf("; %s: %s", term.PluralOf(len(absent), "known host does not answer", "known hosts do not answer"), folded(absent))
	}
	if len(ids) == 0 {
		return "no agent answers" + fleet + missing, "hosts asks again; help lists the commands", nil
	}
	online = fmt.Sprintf("%s: %s%s", term.PluralOf(len(ids), "host is online", "hosts are online"), folded(ids), missing)
	return online, fmt.Sprintf("for example run \"uptime\" --hosts %s; help lists the commands", ids[0]), nil
}

func idsOf(agents []model.Agent) []string {
	ids := make([]string, len(agents))
	for i := range agents {
		ids[i] = agents[i].Agent
	}
	return ids
}

func folded(hosts []string) string { return term.Clip(hostexpr.Fold(hosts), foldedWidth) }

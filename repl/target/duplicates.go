package target

import (
	"fmt"

	"warren/internal/operator/model"
)

// duplicates returns one line for each name that more than one agent claims. The broker
// lets at most one agent answer to a name, so the other agents are lying or have just
// lost it. The answers do not show which agent is the genuine one. A hostile agent may claim
// any number of names.
func duplicates(agents []model.Agent) []string {
	lines := claims(agents)
	if n := len(lines) - maxDuplicates; n > 0 {
		return append(lines[:maxDuplicates], fmt.Sprintf("%d more names are claimed twice", n))
	}
	return lines
}

// maxDuplicates bounds the lines of duplicates.
const maxDuplicates = 10

// claims returns a line for each name.
func claims(agents []model.Agent) (lines []string) {
	ids := make(map[string]bool, len(agents))
	for _, a := range agents {
		ids[a.Agent] = true
	}
	claimed := map[string]string{} // name that is not an id -> the agent that claims it
	for _, a := range agents {
		switch {
		case a.TwoLogins:
			lines = append(lines, fmt.Sprintf("two logins at the broker answer as %s; the first answer is shown", a.Agent))
		case a.Duplicates > 0:
			lines = append(lines, fmt.Sprintf("%d agents answered with the id %s; the first is shown", a.Duplicates+1, a.Agent))
		}
		for _, name := range a.Names {
			switch other, ok := claimed[name]; {
			case name == a.Agent:
			case ids[name]:
				lines = append(lines, fmt.Sprintf("%s is also claimed by %s", name, a.Agent))
			case ok:
				lines = append(lines, fmt.Sprintf("%s is claimed by both %s and %s", name, other, a.Agent))
			default:
				claimed[name] = a.Agent
			}
		}
	}
	return lines
}

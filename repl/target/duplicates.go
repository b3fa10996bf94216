package target

import (
	"fmt"

	"warren/internal/operator/model"
)

// duplicates says which names more than one agent claims. The broker lets one agent
// at most answer to a name, so all but one of them are lying, or have just lost
// it; which one cannot be told from what they say.
func duplicates(agents []model.Agent) (lines []string) {
	ids := make(map[string]bool, len(agents))
	for _, a := range agents {
		ids[a.Agent] = true
	}
	claimed := map[string]string{} // by whom, of names that are no ids
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

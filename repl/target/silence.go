package target

import (
	"context"
	"slices"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
)

// reachWait is how long the broker may take to say how far messages get.
const reachWait = 3 * time.Second

// absent returns the known agents that do not answer, if no host is named.
func (s *Selection) absent() []string {
	ids := slices.Clone(s.gone)
	for i := range s.Agents {
		if !s.Agents[i].Answers {
			ids = append(ids, s.Agents[i].Agent.Agent)
		}
	}
	return ids
}

// ExplainSilence prints why hosts do not answer, as far as the broker knows. Known hosts
// that are not named are mentioned only if the broker does not accept messages for them.
// It reports whether there were such.
func (env *Env) ExplainSilence(ctx context.Context, s *Selection, named bool) (explained bool, err error) {
	hosts, reasons := s.Silent, []model.Reach{model.NotConnected, model.NotAccepted, model.Unanswered}
	if !named {
		hosts, reasons = s.absent(), []model.Reach{model.NotAccepted}
	}
	if len(hosts) == 0 {
		return false, nil
	}
	reach, err := env.Engine().Reach(ctx, hosts, reachWait)
	if err != nil {
		return false, err
	}
	for _, reason := range reasons {
		var names []string
		for i, r := range reach {
			if r == reason {
				names = append(names, hosts[i])
			}
		}
		if len(names) == 0 {
			continue
		}
		explained = explained || reason == model.NotAccepted
		env.Out.Note("%s: %s", hostexpr.Fold(names), reason.Text().Sentence)
		if h := reason.Text().Hint; h != "" {
			env.Out.Note("hint: %s", h)
		}
	}
	return explained, nil
}

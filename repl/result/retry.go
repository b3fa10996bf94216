package result

import (
	"slices"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

// ToRetry returns the hosts whose jobs have one of the outcomes. Without outcomes, it returns
// the hosts whose jobs did not succeed. Lost are those of them whose outcome is lost;
// unfinished are the hosts whose jobs have not ended.
func ToRetry(jobs []model.Job, outcomes []string) (hosts, lost, unfinished []string) {
	for i := range jobs {
		j := &jobs[i]
		selected := !j.OK()
		if len(outcomes) > 0 {
			selected = slices.ContainsFunc(outcomes, j.Is)
		}
		switch {
		case j.State != model.Ended:
			unfinished = append(unfinished, j.Host)
		case selected:
			hosts = append(hosts, j.Host)
			if j.Outcome == wire.Lost {
				lost = append(lost, j.Host)
			}
		}
	}
	return hosts, lost, unfinished
}

package hostview

import (
	"fmt"
	"io"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/repl/cli"
	"warren/repl/term"
)

// Plan prints the hosts to which a task would be sent, by stage, and those that its last
// stage leaves out.
func Plan(out *term.Console, spec *model.Spec, rest []string) error {
	lines := []string{out.Lang.Text(hosts(spec.Hosts))}
	if r := spec.Rollout; r != nil && len(r.Stages) > 1 {
		for i := range r.Stages {
			lines = append(lines, out.Lang.Sprintf("  stage %d: %s", i+1, hosts(r.StageHosts(i+1, spec.Hosts))))
		}
	}
	if len(rest) > 0 {
		lines = append(lines, out.Lang.Sprintf("  untouched: %s", hosts(rest)))
	}
	return out.Lines(lines)
}

func hosts(names []string) string {
	return fmt.Sprintf("%s: %s", term.Plural(len(names), "host"), hostexpr.Fold(names))
}

type planDocument struct {
	Command   string          `json:"command"`
	Hosts     []string        `json:"hosts"`
	Folded    string          `json:"folded"`
	Stages    []stageDocument `json:"stages"`    // none without --rollout
	Untouched []string        `json:"untouched"` // by the last stage
}

type stageDocument struct {
	Stage int      `json:"stage"`
	Hosts []string `json:"hosts"`
}

// WritePlan writes a plan as a JSON document.
func WritePlan(w io.Writer, spec *model.Spec, rest []string) error {
	doc := planDocument{Command: spec.Command, Hosts: spec.Hosts, Folded: hostexpr.Fold(spec.Hosts), Untouched: rest}
	if spec.Rollout != nil {
		for i := range spec.Rollout.Stages {
			doc.Stages = append(doc.Stages, stageDocument{i + 1, spec.Rollout.StageHosts(i+1, spec.Hosts)})
		}
	}
	return cli.WriteJSON(w, doc)
}

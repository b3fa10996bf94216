//go:build linux

package faults

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"warren/internal/testlab/clitest"
	"warren/internal/wire"
)

var full = flag.Bool("full", false, "run the whole matrix, each stage with 200 jobs")

func TestMain(m *testing.M) { clitest.Main(m, nil) }

// A fault is one row of the matrix.
type fault struct {
	name string
	run  func(*scene) // submits work, does harm, and heals

	short bool           // it is a part of every go test
	alone bool           // it harms the broker that all share
	also  []wire.Outcome // beside exit 0, these are to be seen
	may   []wire.Outcome // and these may be

	// orphans: nobody is left who could know of the commands that still run.
	orphans bool
	// gone: output may be gone, where the outcome says so.
	gone bool
	// leftover: a staged file may stay, since the process that writes it was killed, too.
	leftover bool
}

// matrix is every fault there is.
func matrix() []fault {
	return slices.Concat(kills(), links(), balancers(), deliveries(), hosts(), clocks(), inboxes(), resources(), queues(), limits(), pushes(), collects())
}

func TestFaults(t *testing.T) {
	var table report
	t.Cleanup(func() { t.Logf("\n%s", table.String()) })
	for _, f := range matrix() {
		if !f.short && !*full {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			if !f.alone {
				t.Parallel() // begins when all that are alone have ended
			}
			s := newScene(t, f)
			defer func() {
				if !t.Skipped() {
					table.add(f.name, s.account())
				}
			}()
			f.run(s)
			s.settle()
		})
	}
}

// A report is the table of what the rows have given. Rows that run at the same
// time add to it.
type report struct {
	mu   sync.Mutex
	rows []string
}

func (r *report) add(name string, a account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	mark := ""
	if len(a.wrong) > 0 {
		mark = "FAILED"
	}
	r.rows = append(r.rows, fmt.Sprintf("%s\t%d\t%d\t%s\t%d\t%d\t%d\t%s", name, a.jobs, a.executions, a.outcomes(), a.lost, a.duplicated, a.missing, mark))
}

func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tjobs\texecutions\toutcomes\tlost\tduplicated\tmissing\t")
	for _, row := range r.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush() // into memory: it cannot fail
	return b.String()
}

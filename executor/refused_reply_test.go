package executor

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"warren/internal/agent/process"
	"warren/internal/broker"
	"warren/internal/wire"
)

// If the broker refuses a result with its output, the outcome is sent without.
func TestOutcomeIsSentWithoutRefusedOutput(t *testing.T) {
	const piece = 10_000
	for name, pieces := range map[string]int{"inline": 1, "in pieces": 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				task, job := ids()
				r.send(wire.TypeRun, task, job)
				r.finish <- exited(3, slices.Repeat([]process.Chunk{{Stream: wire.Stdout, Data: make([]byte, piece)}}, pieces)...)
				var e *wire.Ended
				for i := 0; e == nil || len(e.Reason) == 0; i++ {
					if i == 10 {
						t.Fatal("it goes on sending output")
					}
					v := r.judged(func(reply any) broker.Kind {
						switch reply := reply.(type) {
						case *wire.Output:
							return broker.Refused
						case *wire.Ended:
							if len(reply.Stdout.Data) > 0 {
								return broker.Refused
							}
						}
						return broker.Routed
					})
					e, _ = v.(*wire.Ended)
				}
				if *e.ExitCode != 3 || e.Stdout.Size != int64(pieces*piece) || !e.Stdout.Gone || !strings.Contains(e.Reason, "the broker refused the output: ") {
					t.Errorf("the operator hears %+v, %+v", e, e.Stdout)
				}
				r.silent()
			})
		})
	}
}

// A result that the broker refuses even without output is kept, and not sent again.
func TestRefusedOutcomeIsKeptUntilStatusRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		task, job := ids()
		r.send(wire.TypeRun, task, job)
		r.finish <- exited(0)
		r.reply(broker.Refused)
		r.reply(broker.Refused) // without output
		r.silent()
		r.send(wire.TypeStatus, task, job)
		if e := next[*wire.Ended](r); e.Outcome != wire.Exited {
			t.Errorf("asked, it says %+v", e)
		}
	})
}

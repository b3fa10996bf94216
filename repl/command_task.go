package repl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/operator/results"
	"warren/repl/cli"
	"warren/repl/result"
	"warren/repl/term"
)

// askTime is how long check_task waits for the answers of agents.
const askTime = time.Second

// taskID is the argument of the commands that are about one task.
type taskID struct {
	ID string `arg:"" optional:"" help:"The task's id, or 4 or more of its first characters."`
}

// find returns the task that is meant.
func (t *taskID) find(ctx context.Context, s *session, command string) (model.Task, error) {
	if t.ID == "" {
		return model.Task{}, cli.Usage("tasks lists them", "%s: which task? No id is given", command)
	}
	if err := s.start(ctx); err != nil {
		return model.Task{}, err
	}
	task, err := s.store.Find(ctx, t.ID)
	var ambiguous *results.AmbiguousError
	switch {
	case err == nil:
		return task, nil
	case errors.Is(err, results.ErrBadID):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("%q is not a task id", t.ID), Hint: "an id is 4 or more of the characters 0-9 and a-f, as in 1b4e28ba; tasks lists them", Err: results.ErrBadID}
	case errors.Is(err, results.ErrNoTask):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("no task has id %q", t.ID), Hint: "tasks lists the tasks of this data directory", Err: results.ErrNoTask}
	case errors.As(err, &ambiguous):
		return task, &cli.Error{Status: cli.ExitUsage, Text: fmt.Sprintf("id %q is ambiguous: %s", t.ID, term.List(ambiguous.IDs, 5)), Hint: "type more of the id"}
	}
	return task, err
}

type checkCommand struct {
	taskID    `embed:""`
	selection `embed:""`
	reading   `embed:""`
}

func (*checkCommand) Help() string {
	return `Shows how far the hosts are: pending (not sent yet), sent (nothing heard), accepted (the agent has it), running, or how they ended, with exit code, duration and output. Hosts with the same result share a block: outliers come first, what most hosts say comes last. While the task runs it shows what there is and says what is missing. Agents are asked again where nobody else waits for them.

    check_task 1b4e --diff                       what differs from most
    check_task 1b4e --outcome failed --tail 5    how the failures end
    check_task 1b4e --host web07 --raw >file     bytes as they came
    check_task 1b4e --save results               a file for each host

On a terminal long output goes through $PAGER (default less; cat or nothing turns it off).

Exit status: 0 every host exited with 0; 1 otherwise, or not done, or output is missing; 2 no such task; 3 no broker to ask.`
}

func (c *checkCommand) Run(ctx context.Context, s *session) error {
	v, err := c.check(ctx, s, &c.selection)
	if err != nil {
		return err
	}
	task, err := c.find(ctx, s, "check_task")
	if err != nil {
		return err
	}
	asked := s.ask(ctx, task)
	if errors.Is(asked, term.ErrInterrupted) {
		return cli.ExitWith(cli.ExitFailed)
	}
	if err := s.show(ctx, task, v); err != nil && asked == nil {
		return err
	}
	return asked
}

type waitCommand struct {
	taskID    `embed:""`
	following `embed:""`
	selection `embed:""`
	reading   `embed:""`
}

func (*waitCommand) Help() string {
	return `Ctrl-C leaves the task running; a second one within two seconds cancels it. Exit status as of check_task.`
}

func (c *waitCommand) Run(ctx context.Context, s *session) error {
	v, err := c.check(ctx, s, &c.selection)
	if err != nil {
		return err
	}
	if err := c.follow(v); err != nil {
		return err
	}
	task, err := c.find(ctx, s, "wait")
	if err != nil {
		return err
	}
	if !task.Done() && s.needsBroker(ctx, task) {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	return s.waitAndShow(ctx, task, v)
}

type cancelCommand struct {
	taskID `embed:""`
	JSON   bool `name:"json" help:"Print one JSON document."`
	JSONL  bool `name:"jsonl" help:"Print one JSON object a line: the task, then each job as it stands."`
}

func (*cancelCommand) Help() string {
	var results strings.Builder
	for _, r := range model.CancelResults {
		fmt.Fprintf(&results, "    %-14s  %s\n", r.Text().Word, r.Text().Sentence)
	}
	return "Asks the agents to stop the command, or never to start it, and counts the results within a second:\n\n" +
		results.String() + "\nThe agent decides what becomes of each job in the end: check_task shows it."
}

func (c *cancelCommand) Run(ctx context.Context, s *session) error {
	if c.JSON && c.JSONL {
		return cli.Usage("", "--json and --jsonl contradict each other")
	}
	task, err := c.find(ctx, s, "cancel")
	if err != nil {
		return err
	}
	if task.Done() {
		s.note("task %s is done already: nothing to cancel", result.ShortID(task.ID))
	} else {
		if err := s.connect(ctx); err != nil {
			return err
		}
		done, err := s.recall(ctx, task)
		if err != nil {
			return err
		}
		if len(done) > 0 && !c.JSON && !c.JSONL {
			return s.stdio.Lines(done)
		}
	}
	switch {
	case c.JSON:
		return s.printer().TaskDocument(ctx, task)
	case c.JSONL:
		return s.printer().TaskRecords(ctx, task)
	}
	return nil
}

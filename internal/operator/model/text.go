package model

import (
	"fmt"

	"warren/internal/wire"
)

// A Text is how one value reads for a person. These tables are the only place for
// such words: an editor or a translator needs no other file.
type Text struct {
	Word     string // in lists and counts
	Sentence string // what it means
	Hint     string // what to do about it; "" is nothing
}

// Outcomes are all outcomes in the order in which they are counted up: what the
// commands did, what agents decided, what is not known.
var Outcomes = []wire.Outcome{
	wire.Exited, wire.Signaled, wire.TimedOut, wire.Canceled, wire.FailedToStart,
	wire.Rejected, wire.Expired, wire.Interrupted, wire.Unreachable, wire.Lost,
}

// The words of outcomes are also the names by which jobs are chosen, as the wire has
// them.
var outcomeTexts = map[wire.Outcome]Text{
	wire.Exited:        {Sentence: "the command ended by itself, with another exit code than 0"},
	wire.Signaled:      {Sentence: "a signal ended the command"},
	wire.TimedOut:      {Sentence: "the host ended the command at its timeout", Hint: "--timeout gives more time"},
	wire.Canceled:      {Sentence: "an operator canceled it"},
	wire.FailedToStart: {Sentence: "the host could not start the command"},
	wire.Rejected:      {Sentence: "the host refused to run it"},
	wire.Expired:       {Sentence: "the host did not start the command in time, and will not", Hint: "--start-timeout gives more"},
	wire.Interrupted:   {Sentence: "the agent or its machine went down while the command ran"},
	wire.Unreachable:   {Sentence: "the command never ran there", Hint: "is warrend running there, under that name? hosts lists the agents that answer"},
	wire.Lost:          {Sentence: "the command may have run, but no result arrived", Hint: "check_task asks the agent again"},
}

var stateTexts = map[State]Text{
	Pending:  {Word: "pending", Sentence: "not sent yet"},
	Sent:     {Word: "sent, no answer yet", Sentence: "sent, and the agent has not answered yet"},
	Accepted: {Word: "accepted", Sentence: "the agent has the job and has not started it"},
	Running:  {Word: "running", Sentence: "the command runs"},
	Ended:    {Word: "ended", Sentence: "the job has an outcome"},
}

var waitTexts = [...]Text{
	NoWait:         {},
	WaitInbox:      {Word: "in the inbox", Sentence: "waits in the host's inbox"},
	WaitCancel:     {Word: "cancel in the inbox", Sentence: "its cancel waits in the host's inbox"},
	RequestRefused: {Word: "request refused", Sentence: "its host has refused a request about it"},
	WaitNewAgent:   {Word: "new agent", Sentence: "new agent"},
}

var cancelTexts = [...]Text{
	CancelRecalled: {Word: "recalled", Sentence: "it had not started, and never will"},
	CancelKilled:   {Word: "killed", Sentence: "it was stopped, and none of its processes is left"},
	CancelSurvived: {Word: "survived", Sentence: "it was stopped, but some of its processes could not be ended"},
	CancelPending:  {Word: "recall pending", Sentence: "its host is offline; the cancel waits in the host's inbox"},
	CancelTooLate:  {Word: "too late", Sentence: "it had ended by itself"},
	CancelSent:     {Word: "being stopped", Sentence: "its host has not answered yet"},
	CancelRefused:  {Word: "refused", Sentence: "its host refused the cancel, for the reason given"},
}

var reachTexts = [...]Text{
	ReachUnknown: {},
	NotConnected: {Sentence: "no agent with that name is connected to the broker"},
	NotAccepted: {
		Sentence: "the broker does not accept messages: the host's queue is full, or on a broker node that is down",
		Hint:     "rabbitmqctl cluster_status shows the nodes that run",
	},
	Unanswered: {
		Sentence: "an agent is connected, but does not answer",
		Hint:     "the agent has stopped or is busy, or its operators file or fleet does not match this key; its log has the reason",
	},
}

// OutcomeText is how an outcome reads.
func OutcomeText(o wire.Outcome) Text {
	t := outcomeTexts[o]
	t.Word = string(o)
	return t
}

// Text is how a state reads.
func (s State) Text() Text {
	t, ok := stateTexts[s]
	if !ok {
		t.Word = string(s)
	}
	return t
}

// Text is how a wait reads.
func (w Wait) Text() Text {
	if int(w) < len(waitTexts) {
		return waitTexts[w]
	}
	return Text{}
}

// Text is how the reach of a message reads.
func (r Reach) Text() Text { return reachTexts[r] }

// Text is how a cancel's result reads.
func (r CancelResult) Text() Text { return cancelTexts[r] }

// HintFor says what an outcome means and what to do about it; "" where there is
// nothing to do.
func HintFor(o wire.Outcome) string {
	t := OutcomeText(o)
	if t.Hint == "" {
		return ""
	}
	return t.Sentence + "; " + t.Hint
}

// CountText is how n jobs of an outcome read in a summary.
func CountText(o wire.Outcome, n int) string {
	if o == wire.Exited {
		return fmt.Sprintf("%d exited with an error", n)
	}
	return fmt.Sprintf("%d %s", n, OutcomeText(o).Word)
}

// ReasonText is why the job has its outcome, or what it waits for; "" where there is
// nothing to add.
func (j *Job) ReasonText() string {
	switch sentence := j.Wait.Text().Sentence; {
	case sentence == "":
		return j.Reason
	case j.Reason == "":
		return sentence
	default:
		return sentence + ": " + j.Reason
	}
}

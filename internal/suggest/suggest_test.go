package suggest

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	known := []string{"run", "check_task", "check", "tasks", "wait", "cancel", "hosts", "help", "exit"}
	for word, want := range map[string]string{
		"rnu": `did you mean "run"?`, "chekc": `did you mean "check"?`, "check_taks": `did you mean "check_task"?`,
		"canc": `did you mean "cancel"?`, "task": `did you mean "tasks"?`, "wiat": `did you mean "wait"?`,
		"host": `did you mean "hosts"?`, "zzz": "", "": "", strings.Repeat("run", 100): "",
	} {
		if got := For(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

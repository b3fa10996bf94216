package cli

import "os/exec"

// NotifyFlag names the program that runs when a task has ended.
type NotifyFlag struct {
	Notify []string `placeholder:"PROGRAM" sep:"none" env:"WARREN_NOTIFY" help:"Program to run when the task has ended, with the task as JSON on its standard input. Its arguments are split by POSIX quoting."`
}

// Program returns the program and its arguments; nil is none. A list of several words is not
// split.
func (f *NotifyFlag) Program() ([]string, error) {
	words := f.Notify
	if len(words) == 1 {
		var err error
		if words, err = SplitWords(words[0]); err != nil {
			return nil, err
		}
	}
	if len(words) == 0 {
		return nil, nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil, &Error{Status: ExitUsage, Text: "--notify: " + err.Error(), Hint: "write the path of the program; --notify= turns it off", Err: err}
	}
	return words, nil
}

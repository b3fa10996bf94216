// Package repl is what the operator sees of Warren: one grammar of commands for
// the prompt and for the shell, the line editor, and everything that is printed.
//
// It owns the terminal, standard input and output, and the history file. It
// asks the rest of the operator's process through Engine: what is to be done
// goes to Submit and Cancel, what has come back is read from the result store.
// It never talks to the broker.
//
// Main runs in the caller's goroutine and ends with the command, with `exit`,
// at the end of input, or with its context. A command is carried out by that
// same goroutine, one at a time; what a session knows is its alone. Two kinds
// of helper exist: one that waits for Ctrl-C while a command waits (it ends with
// the command), and one that reads a line. A read of a terminal or a pipe cannot
// be interrupted, so if the context ends while it reads, that one is left to the
// end of the process; it holds nothing that would be lost.
//
// Rules for what is printed:
//   - Results go to standard output, everything about them to standard error:
//     `error: …` says what happened to which thing, `hint: …` what to do.
//   - Words are those of the protocol: an outcome is called the same in text, in
//     JSON and in the documentation.
//   - To a terminal, what a host sent goes through package term and is
//     indented, so that no host can speak for another or for Warren. To a file
//     or a pipe its bytes go as they came.
//   - With --json standard output is one document, or empty.
package repl

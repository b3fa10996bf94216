// Package repl is the actor at the operator's terminal: it reads lines, runs their
// commands (package command), and says what happens behind them.
//
// It owns the terminal, standard input and output, and the history file. It uses the
// rest of the operator's process through command.Engine: Submit and Cancel send
// requests, and the result store has what came back. It never talks to the broker.
//
// Main runs in the caller's goroutine and ends with the command, with `exit`, at the
// end of input, or with its context. Each command runs in a goroutine that Main waits
// for, one at a time. The session's state belongs to that goroutine. Helpers end
// before it goes on: one waits for Ctrl-C while a command waits, one asks agents again
// while a task is awaited, one closes the engine. A goroutine that reads a line cannot
// be interrupted: if the context ends meanwhile, it is left to the end of the process,
// and holds nothing that would be lost.
//
// Rules for what is printed:
//   - Results go to standard output, everything else to standard error: `error: …`
//     says what happened to which thing, `hint: …` what to do.
//   - Words are those of the protocol: an outcome has the same name in text, in JSON
//     and in the documentation.
//   - On a terminal, output of hosts is made visible by package term and indented, so
//     that no host can speak for another or for Warren. A file or a pipe gets its
//     bytes unchanged.
//   - With --json standard output is one document, or empty.
package repl

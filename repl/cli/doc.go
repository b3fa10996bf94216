// Package cli is the grammar of command lines, for the prompt and the shell alike: how
// a line is split, the types of flag values, what is wrong with a line, help texts,
// completion, and the errors of commands with their exit statuses. It knows no command.
package cli

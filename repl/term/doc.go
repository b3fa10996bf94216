// Package term writes all output to the operator's terminal, or to the files that replace
// it: notes, tables, the pager, colors, and frames that are drawn in place. It formats
// sizes, times and foreign text. It also reads secrets.
//
// A Console is the one writer of a process. Any goroutine may write a note: where the
// live view or the line editor draws in place, the note is printed above it.
//
// Text, Line and the functions beside them make what a host sent fit for a terminal:
// control sequences are shown, not obeyed, so that no output can move the cursor,
// retitle the window, answer for the user or hide a part of itself. They are for
// terminals only; where bytes go to a file or a pipe they go as they came. Letters of
// every script, wide ones included, pass untouched.
package term

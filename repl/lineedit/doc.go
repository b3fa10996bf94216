// Package lineedit reads the operator's lines: through the line editor of a terminal,
// with history, completion and bracketed paste, or from a pipe. While a line is being
// edited it is the surface of the console, so that notes are printed above it.
//
// A line that is not complete yet, within quotes or after a backslash, goes on in the
// next: IsOpen and Commands know.
package lineedit

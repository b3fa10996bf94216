// Package part is how a measurement tells the processes that it consists of what
// to do: one JSON object a line on standard input, one answer a line on standard
// output. A part that is measured is a process of its own, so that its processor
// time and its memory are its own.
//
// Serve is the part's side, Start the measurement's. A part ends with its
// standard input.
package part

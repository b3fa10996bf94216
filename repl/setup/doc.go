// Package setup prints how the operator's process is set up: its settings, the keys that it
// can sign with, and what the command doctor has found.
package setup

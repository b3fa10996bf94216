// Package setup prints how the operator's process is set up: its settings, the keys that it
// can sign with, and what a doctor has found.
package setup

// Package jobobject starts a program on Windows with all processes that it will start, so that
// they can be ended together.
package jobobject

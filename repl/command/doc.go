// Package command has the commands of warren, one file each. A command is a struct:
// its tags are its flags, its Run executes it in an Env. A command runs in the goroutine
// that calls Run and starts none; it asks the terminal's owner through Session and the
// rest of the operator's process through Engine and Store.
package command

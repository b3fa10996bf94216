// Package filecommand has the commands that move files: push and collect.
package filecommand

// Package filecommand has the commands that copy files: push and collect.
package filecommand

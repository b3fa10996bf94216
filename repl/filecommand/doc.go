// Package filecommand has the command that copies files to hosts: push.
package filecommand

// Package setupcommand has the command broker-setup.
package setupcommand

// Package grammar lists the commands of warren, and turns words into one of them:
// ParseShell the arguments of `warren …`, ParsePrompt a line at the prompt.
package grammar

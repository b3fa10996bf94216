// Package config resolves a program's settings: from a flag, else an environment
// variable, else a TOML file, else the default. A setting is a flag of a kong grammar
// that has an environment variable. Its name in the file is the flag's name with _ for
// -.
//
// A Source is a kong resolver. It reads the file once, when a grammar is first parsed
// with it, and refuses the whole file if any part is invalid. It belongs to one
// goroutine.
package config

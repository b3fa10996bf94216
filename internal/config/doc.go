// Package config gives a program's settings their values: a flag, else an
// environment variable, else a TOML file, else the default. A setting is a flag
// of a kong grammar that has an environment variable; its name in the file is the
// flag's, with _ for -.
//
// A Source is a kong resolver. It reads the file once, when the first grammar is
// parsed with it, and refuses it whole where anything in it is wrong. It starts
// nothing, and serves one goroutine.
package config

//go:build unix

package main

func defaultDataDir() string { return "/var/lib/warrend" }

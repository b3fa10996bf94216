//go:build unix

package agent

func defaultDataDir() string { return "/var/lib/warrend" }

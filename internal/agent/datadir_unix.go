//go:build unix

package agent

func defaultDataDir() string { return "/var/lib/warrend" }

func defaultConfig() string { return "/etc/warren/warrend.toml" }

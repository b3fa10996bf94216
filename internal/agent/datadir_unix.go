//go:build unix

package agent

import "fmt"

func defaultDataDir() string { return "/var/lib/warrend" }

func defaultConfig() string { return "/etc/warren/warrend.toml" }

// installKey returns the commands that add a key to the file in dir, as lines of a hint.
func installKey(dir, file string) string {
	return fmt.Sprintf(`  on this host, as root        mkdir -p %s
                               printf '\n%%s\n' 'ssh-ed25519 AAAA… alice@laptop' >> %s
                               chmod 644 %s
`, dir, file, file)
}

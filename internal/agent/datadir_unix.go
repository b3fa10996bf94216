//go:build unix

package agent

import (
	"fmt"
	"runtime"

	"github.com/kballard/go-shellquote"
)

func defaultDataDir() string {
	_, dataDir := places(runtime.GOOS)
	return dataDir
}

func defaultConfig() string {
	config, _ := places(runtime.GOOS)
	return config
}

// places returns the agent's configuration file and data directory on a system.
func places(goos string) (config, dataDir string) {
	if goos == "darwin" {
		const support = "/Library/Application Support/Warren"
		return support + "/warrend.toml", support + "/agent"
	}
	return "/etc/warren/warrend.toml", "/var/lib/warrend"
}

// installKey returns the commands that add a key to the file in dir, as lines of a hint.
func installKey(dir, file string) string {
	dir, file = shellquote.Join(dir), shellquote.Join(file)
	return fmt.Sprintf(`  on this host, as root        mkdir -p %s
                               printf '\n%%s\n' 'ssh-ed25519 AAAA… alice@laptop' >> %s
                               chmod 644 %s
`, dir, file, file)
}

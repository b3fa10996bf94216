package agent

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// programData returns the directory for data of all users. A service may lack the
// variable ProgramData.
func programData() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		return `C:\ProgramData`
	}
	return dir
}

func defaultDataDir() string { return filepath.Join(programData(), "Warren", "agent") }

func defaultConfig() string { return filepath.Join(programData(), "Warren", "warrend.toml") }

// installKey returns the commands that add a key to the file in dir, as lines of a hint.
func installKey(dir, file string) string {
	return fmt.Sprintf(`  on this host, as             mkdir "%s"
  administrator, in cmd.exe    icacls "%s" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F
                               echo ssh-ed25519 AAAA… alice@laptop>> "%s"
`, dir, dir, file)
}

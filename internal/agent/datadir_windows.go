package agent

import (
	"os"
	"path/filepath"
)

func defaultDataDir() string { return filepath.Join(os.Getenv("ProgramData"), "warrend") }

func defaultConfig() string {
	return filepath.Join(os.Getenv("ProgramData"), "warren", "warrend.toml")
}

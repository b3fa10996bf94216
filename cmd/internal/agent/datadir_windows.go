package agent

import (
	"os"
	"path/filepath"
)

func defaultDataDir() string { return filepath.Join(os.Getenv("ProgramData"), "warrend") }

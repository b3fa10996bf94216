package process

import (
	"runtime"
	"strings"
)

// MergeEnv appends extra to base. If a name repeats, the last value replaces the first
// one in its place. On Windows "Path" and "PATH" are the same name.
func MergeEnv(base, extra []string) []string {
	return mergeEnv(runtime.GOOS, base, extra)
}

func mergeEnv(goos string, base, extra []string) []string {
	merged := make([]string, 0, len(base)+len(extra))
	at := make(map[string]int, len(base)+len(extra))
	for _, list := range [][]string{base, extra} {
		for _, entry := range list {
			name := envName(goos, entry)
			if i, ok := at[name]; ok {
				merged[i] = entry
				continue
			}
			at[name] = len(merged)
			merged = append(merged, entry)
		}
	}
	return merged
}

// lookupEnv returns the value that the command would see.
func lookupEnv(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if envName(runtime.GOOS, entry) == envName(runtime.GOOS, name+"=") {
			_, value, _ = strings.Cut(entry, "=")
		}
	}
	return value
}

// envName returns the name of an entry in a comparable form. Windows has entries such
// as "=C:=C:\dir", whose name begins with the equals sign.
func envName(goos, entry string) string {
	if goos != "windows" {
		name, _, _ := strings.Cut(entry, "=")
		return name
	}
	if i := strings.IndexByte(entry[min(1, len(entry)):], '='); i >= 0 {
		entry = entry[:i+1]
	}
	return strings.ToUpper(entry)
}

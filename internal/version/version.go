// Package version returns the version of the program.
package version

import (
	"runtime/debug"
	"strings"
)

// release is set by the linker: -X warren/internal/version.release=1.0.0.
var release string

// String returns the release, such as "1.0.0". A program that was built without one
// returns the version of its module, or "devel" and the revision: "devel-0123456789ab",
// with "-dirty" if files had been changed.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(release, info)
}

func describe(release string, info *debug.BuildInfo) string {
	if release != "" {
		return release
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	version := "devel"
	if revision := settings["vcs.revision"]; revision != "" {
		version += "-" + revision[:min(12, len(revision))]
	}
	if settings["vcs.modified"] == "true" {
		version += "-dirty"
	}
	return version
}

// Package version holds Warren's version, the same in every program.
package version

// Version is the release, as CHANGELOG.md names it.
const Version = "0.1.0"

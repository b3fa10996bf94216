package result

import (
	"fmt"
	"strings"

	"warren/internal/operator/model"
	"warren/internal/windowsname"
)

// FileNames returns a file name for each job's host. The names are safe on every
// system, and differ where the hosts differ.
func FileNames(jobs []model.Job) []string {
	names := make([]string, len(jobs))
	taken := make(map[string]bool, len(jobs))
	for i := range jobs {
		if jobs[i].Host == safeName(jobs[i].Host) {
			taken[jobs[i].Host] = true // keeps its name, whatever others become
		}
	}
	for i := range jobs {
		safe := safeName(jobs[i].Host)
		if names[i] = safe; safe == jobs[i].Host {
			continue
		}
		for n := 2; taken[names[i]]; n++ {
			names[i] = fmt.Sprintf("%s~%d", safe, n)
		}
		taken[names[i]] = true
	}
	return names
}

// safeName turns a host's name, which has a-z, 0-9 and ._:- only, into the beginning of
// a file's name: without a colon, a leading dot or dash, and not a device.
func safeName(host string) string {
	name := strings.ReplaceAll(host, ":", "_")
	if name != "" && (name[0] == '.' || name[0] == '-') {
		name = "_" + name[1:]
	}
	if windowsname.IsReserved(name) {
		name = "_" + name
	}
	return name
}

//go:build unix

package proctree

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// Describe adds the users' names to at most MaxDescribed processes.
func Describe(all []Stat) []Process {
	var named []Process
	for _, s := range all[:min(len(all), MaxDescribed)] {
		named = append(named, Process{PID: s.PID, User: userOf(s), Name: s.Name})
	}
	return named
}

func userOf(s Stat) string {
	uid, err := uidOf(s)
	if err != nil {
		return ""
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if account, err := user.LookupId(id); err == nil {
		return account.Username
	}
	return id
}

// String returns a text such as "812 (sleep) of root".
func (p Process) String() string {
	text := strconv.Itoa(p.PID)
	if p.Name != "" {
		text += " (" + p.Name + ")"
	}
	if p.User != "" {
		text += " of " + p.User
	}
	return text
}

// summarize names the first processes and counts the rest.
func summarize(all []Stat) string {
	return joinProcesses(Describe(all[:min(len(all), maxSummarized)]), len(all))
}

// maxSummarized limits how many processes an error names.
const maxSummarized = 3

// joinProcesses returns a text such as "processes 12 (sh) of root, 13 (sleep) of www
// and 5 more".
func joinProcesses(named []Process, count int) string {
	if count == 1 {
		return fmt.Sprintf("process %s", named[0])
	}
	var texts []string
	for _, p := range named {
		texts = append(texts, p.String())
	}
	text := "processes " + strings.Join(texts, ", ")
	if more := count - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

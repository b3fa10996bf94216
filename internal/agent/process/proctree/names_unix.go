//go:build unix

package proctree

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// Describe names processes for people.
func Describe(all []Stat) []Process {
	var named []Process
	for _, s := range all[:min(len(all), MaxLeft)] {
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

// String is "812 (sleep) of root".
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

// processesText names the first processes.
func processesText(all []Stat) string {
	return namesText(Describe(all[:min(len(all), mostNamed)]), len(all))
}

// mostNamed is how many processes a sentence names.
const mostNamed = 3

// namesText is "processes 12 (sh) of root, 13 (sleep) of www and 5 more".
func namesText(named []Process, count int) string {
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

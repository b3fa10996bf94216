//go:build unix

package process

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// endWithin is how long the ends are awaited: one that hangs in the kernel
	// (a dead network disk) or belongs to another user does not end.
	endWithin = 3 * time.Second
	// The pauses between looks.
	firstPause = time.Millisecond
	longPause  = 50 * time.Millisecond
)

var (
	errUnrecorded = errors.New("its process id was not recorded, so that processes of it may live")
	errOwnSession = errors.New("this agent runs in its session, so that processes of it may live")
)

func errStillLive(pids []int) error {
	return fmt.Errorf("%s of it could not be ended", processesText(pids))
}

func errUnproven(pids []int) error {
	return fmt.Errorf("%s may be of it: its leader has gone, and nothing else shows whose they are", processesText(pids))
}

// processesText names the first processes: "processes 12, 13, 14 and 5 more".
func processesText(pids []int) string {
	const most = 3
	if len(pids) == 1 {
		return fmt.Sprintf("process %d", pids[0])
	}
	var names []string
	for _, pid := range pids[:min(most, len(pids))] {
		names = append(names, strconv.Itoa(pid))
	}
	text := "processes " + strings.Join(names, ", ")
	if more := len(pids) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// repeat calls look, with pauses, until it is content or has reached its last
// word, or for endWithin.
func repeat(look func() (left error, final bool)) error {
	end := time.Now().Add(endWithin)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		left, final := look()
		if left == nil || final || time.Now().After(end) {
			return left
		}
		time.Sleep(pause)
	}
}

package target

import (
	"fmt"

	"warren/internal/operator/hostexpr"
	"warren/internal/wire"
)

// maxRefusedFiles bounds the warnings about files that hosts refuse. A host may say of
// its files what it likes.
const maxRefusedFiles = 10

// RefusedFiles warns of the hosts that refuse one of the files by which they decide who
// may run what. Hosts with the same problem share a line.
func RefusedFiles(agents []Agent) (lines []string) {
	type problem struct{ file, what, meanwhile string }
	var order []problem
	hosts := map[problem][]string{}
	for i := range agents {
		if !agents[i].Answers {
			continue // an old answer: the file may have been corrected since
		}
		for _, f := range agents[i].RefusedFiles {
			p := problem{f.File, refusalText(&f), meanwhileText(&f)}
			if hosts[p] == nil {
				order = append(order, p)
			}
			hosts[p] = append(hosts[p], agents[i].Agent.Agent)
		}
	}
	for n, p := range order {
		if n == maxRefusedFiles {
			return append(lines, fmt.Sprintf("%d more problems with such files: hosts --json lists them all", len(order)-n))
		}
		text := "%s refuses its %s: %s; %s"
		if len(hosts[p]) > 1 {
			text = "%s refuse their %s: %s; %s"
		}
		lines = append(lines, fmt.Sprintf(text, hostexpr.Fold(hosts[p]), p.file, p.what, p.meanwhile))
	}
	return lines
}

// refusalText says what is wrong with a file.
func refusalText(f *wire.RefusedFile) string {
	switch f.Problem {
	case wire.FileMissing:
		return f.Path + " is missing"
	case wire.FileOwner:
		return fmt.Sprintf("%s belongs to user id %d", f.Path, f.UID)
	case wire.FileMode:
		return fmt.Sprintf("others may write %s (mode %04o)", f.Path, f.Mode)
	case wire.FileLine:
		return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Reason)
	}
	return f.Reason
}

// meanwhileText says what applies while a file is refused.
func meanwhileText(f *wire.RefusedFile) string {
	authorized := f.File == wire.AuthorizedOperators
	switch {
	case authorized && f.Problem == wire.FileMissing:
		return "no signed request is permitted"
	case authorized && f.Problem == wire.FileLine:
		return "until it is repaired, only removals from the file apply"
	case authorized:
		return "until it is repaired, the last valid version applies"
	case f.Problem == wire.FileLine:
		return "until it is repaired, earlier revocations stay valid, and the other lines of the file apply"
	}
	return "until it is repaired, earlier revocations stay valid"
}

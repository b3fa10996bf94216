package target

import (
	"fmt"
	"strings"
	"testing"

	"warren/internal/operator/model"
	"warren/internal/wire"
)

func TestHostsThatRefuseTheirFilesAreNamed(t *testing.T) {
	agent := func(name string, answers bool, files ...wire.RefusedFile) Agent {
		return Agent{Agent: model.Agent{Hello: wire.Hello{Agent: name, RefusedFiles: files}}, Answers: answers}
	}
	const path = "/etc/warren/authorized_operators"
	mode := wire.RefusedFile{File: wire.AuthorizedOperators, Problem: wire.FileMode, Path: "/etc/warren", Mode: 0o775}
	file := func(name, problem string) wire.RefusedFile {
		return wire.RefusedFile{File: name, Problem: problem, Path: path, UID: 1000, Line: 3, Reason: "it has a bad character"}
	}
	for _, c := range []struct {
		agents []Agent
		want   []string
	}{
		{[]Agent{agent("web07", true, mode), agent("web08", true), agent("web09", false, mode)}, []string{
			"web07 refuses its authorized_operators: others may write /etc/warren (mode 0775); until it is repaired, the last valid version applies",
		}},
		{[]Agent{agent("web07", true, mode), agent("db1", true, file(wire.RevokedOperators, wire.FileLine), mode), agent("web08", true, mode)}, []string{
			"db1,web[07-08] refuse their authorized_operators: others may write /etc/warren (mode 0775); until it is repaired, the last valid version applies",
			"db1 refuses its revoked_operators: " + path + ":3: it has a bad character; until it is repaired, earlier revocations stay valid, and the other lines of the file apply",
		}},
		{[]Agent{agent("a", true, file(wire.AuthorizedOperators, wire.FileMissing)), agent("b", true, file(wire.AuthorizedOperators, wire.FileOwner)), agent("c", true, file(wire.AuthorizedOperators, wire.FileLine)), agent("d", true, file(wire.AuthorizedOperators, wire.FileUnreadable))}, []string{
			"a refuses its authorized_operators: " + path + " is missing; no signed request is permitted",
			"b refuses its authorized_operators: " + path + " belongs to user id 1000; until it is repaired, the last valid version applies",
			"c refuses its authorized_operators: " + path + ":3: it has a bad character; until it is repaired, only removals from the file apply",
			"d refuses its authorized_operators: it has a bad character; until it is repaired, the last valid version applies",
		}},
		{[]Agent{agent("a", true, file(wire.RevokedOperators, wire.FileMissing))}, []string{
			"a refuses its revoked_operators: " + path + " is missing; until it is repaired, earlier revocations stay valid",
		}},
	} {
		if got := strings.Join(RefusedFiles(c.agents), "\n"); got != strings.Join(c.want, "\n") {
			t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(c.want, "\n"))
		}
	}
	var many []Agent
	for i := range 30 {
		f := file(wire.AuthorizedOperators, wire.FileUnreadable)
		f.Reason = fmt.Sprint("lie number ", i)
		many = append(many, agent(fmt.Sprint("web", i), true, f))
	}
	if got := RefusedFiles(many); len(got) != maxRefusedFiles+1 || got[maxRefusedFiles] != "20 more problems with such files: hosts --json lists them all" {
		t.Errorf("%q", got)
	}
}

package setup

import (
	"bytes"
	"testing"

	"warren/internal/operator/doctor"
	"warren/internal/translate"
	"warren/repl/term"
)

func TestStepsInChinese(t *testing.T) {
	var out bytes.Buffer
	console := term.NewConsole(term.IO{Out: &out, Lang: translate.FromEnvironment(func(string) string { return "zh_CN.UTF-8" })}, false)
	steps := []doctor.Step{{Name: "broker", OK: true, Detail: "127.0.0.1:5672"}, {Name: "agents", OK: true, Detail: "3 answered"}, {Name: "host web01", Detail: "x"}}
	if err := Steps(console, steps, false); err != nil {
		t.Fatal(err)
	}
	const want = "broker      通过    127.0.0.1:5672\nagent       通过    3 个应答\n主机 web01  未通过  x\n"
	if out.String() != want {
		t.Errorf("\n%swant\n%s", out.String(), want)
	}
}

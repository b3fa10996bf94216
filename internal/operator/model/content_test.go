package model

import (
	"strings"
	"testing"

	"warren/internal/wire"
)

func TestScriptIsDescribedByHashSizeAndFirstLine(t *testing.T) {
	const hashOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if c := DescribeScript(&wire.Run{Script: []byte("abc")}); c == nil || c.SHA256 != hashOfABC || c.Bytes != 3 || c.FirstLine == nil || *c.FirstLine != "abc" {
		t.Errorf("%+v", c)
	}
	for script, want := range map[string]string{
		"#!/bin/sh\r\necho\r\n":         "#!/bin/sh",
		"\ufeffecho 主机\n":               "echo 主机",
		"\xff\xfea\x00\n\x00b\x00":      "a",
		"\n":                            "",
		strings.Repeat("主", 100):        strings.Repeat("主", 66) + "…",
		strings.Repeat("x", 200) + "\n": strings.Repeat("x", 200),
	} {
		c := DescribeScript(&wire.Run{Script: []byte(script)})
		if c.FirstLine == nil || *c.FirstLine != want || c.Bytes != len(script) {
			t.Errorf("%q: %+v, want %q", script, c, want)
		}
	}
	for _, program := range []string{"\x7fELF\x00", "caf\xe9\n"} {
		if c := DescribeScript(&wire.Run{Script: []byte(program)}); c.FirstLine != nil {
			t.Errorf("%q: first line %q", program, *c.FirstLine)
		}
	}
	if c := DescribeScript(&wire.Run{Command: "true"}); c != nil {
		t.Errorf("%+v", c)
	}
}

// Standard input may be a password.
func TestStandardInputIsDescribedWithoutItsText(t *testing.T) {
	if c := DescribeStdin(&wire.Run{Stdin: []byte("app:hunter2\n")}); c == nil || c.FirstLine != nil || c.Bytes != 12 || len(c.SHA256) != 64 {
		t.Errorf("%+v", c)
	}
	if c := DescribeStdin(&wire.Run{SecretHash: make([]byte, 32)}); c != nil {
		t.Errorf("a secret is described: %+v", c)
	}
}

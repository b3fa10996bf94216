//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"warren/internal/operator/audit"
	"warren/internal/testlab/clitest"
	"warren/internal/textfile"
)

func (p *place) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *place) content(path string) string {
	p.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// inUTF16 is text as PowerShell's > saves it.
func inUTF16(text string) string {
	data := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		data = binary.LittleEndian.AppendUint16(data, u)
	}
	return string(data)
}

// Both programs take each of their text files as an editor of Windows saves it.
func TestFilesSavedByWindows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	windows := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
	operators := windows(p.content(os.Getenv("WARREND_AUTHORIZED_OPERATORS")))
	password := p.write("password", textfile.BOM+"guest\r\n")
	broker := strings.Replace(p.broker, "guest:guest@", "guest@", 1)
	if broker == p.broker {
		t.Fatal(p.broker)
	}
	agentConfig := p.write("warrend.toml", textfile.BOM+windows("workers = 3\nbroker = '"+broker+"'\nbroker_password_file = '"+password+"'\n"))
	host, _ := p.agent("a", "--config", agentConfig, "--broker", broker,
		"--authorized-operators", p.write("operators", inUTF16(operators)),
		"--revoked-operators", p.write("revoked", textfile.BOM+"# nobody\r\n"))
	config := p.write("config.toml", textfile.BOM+windows("broker = '"+broker+"'\nbroker_password_file = '"+password+"'\ngroups = '"+p.write("groups.yaml", textfile.BOM+windows("s:\n  g: "+host+"\n"))+"'\n"))
	key := p.write("key", textfile.BOM+windows(p.content(clitest.Identity())))
	operator := []string{"--config", config, "--broker", broker, "--identity", key}
	r := p.want(0, append(operator, "run", "echo ran", "--hosts", "@g", "--hosts-file", p.write("hosts", inUTF16(host+"\r\n")))...)
	if !strings.Contains(r.out, "done: 1 ok") {
		t.Error(r)
	}
	value := p.write("value", textfile.BOM+"s3cret\r\n")
	if r := p.want(0, append(operator, "run", "printf %s \"$V\" | wc -c", "--hosts", host, "--secret-env", "V=@"+value)...); !strings.Contains(r.out, "\n6\n") {
		t.Error(r)
	}

	// A script: the mark is not sent, and all other bytes are.
	script := p.write("marked.sh", textfile.BOM+"#!/bin/cat\nß\r\n")
	r = p.want(0, "run", "--script", script, "--hosts", host)
	if !strings.Contains(r.out, "\n#!/bin/cat\nß\r\n") || !strings.Contains(r.err, "the byte order mark at its beginning is not sent") {
		t.Error(r)
	}
	r = p.want(1, "run", "--script", p.write("dos.sh", "#!/bin/sh\r\necho ran\r\n"), "--hosts", host)
	if !strings.Contains(r.out, `no such interpreter "/bin/sh\\r"`) && !strings.Contains(r.out, `no such interpreter "/bin/sh\r"`) {
		t.Error(r)
	}
}

// A program is executed as it is, and the check says so.
func TestScriptThatIsAProgram(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	host, _ := p.agent("a")
	program, err := filepath.EvalSymlinks("/bin/echo")
	if err != nil {
		t.Skip(err)
	}
	if r := p.want(0, "run", "--script", program, "a  b", "--hosts", host); !strings.Contains(r.out, "\na  b\n") {
		t.Error(r)
	}
	if r := p.want(0, "run", "--script", program, "a  b", "--hosts", host, "--check"); !strings.Contains(r.out, "SCRIPT 'a  b'") || strings.Contains(r.out, "/bin/sh") {
		t.Error(r)
	}
	// The name of the file does not show what has run. The audit log and the task do.
	sent := p.content(program)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(sent)))
	if log := p.content(filepath.Join(p.data, audit.ExecuteLog)); !strings.Contains(log, fmt.Sprintf(`"script":{"sha256":%q,"bytes":%d}`, sum, len(sent))) {
		t.Errorf("audit log: %s", log)
	}
	var list struct{ Tasks []document }
	decode(t, p.want(0, "tasks", "--json").out, &list)
	if len(list.Tasks) != 1 {
		t.Fatalf("%+v", list)
	}
	if r := p.want(0, "check_task", list.Tasks[0].ID, "--script"); r.out != sent || !strings.Contains(r.err, sum) {
		t.Errorf("--script prints %d bytes, want %d; %s", len(r.out), len(sent), r.err)
	}
	// One of another machine: the host says what is wrong with it.
	foreign := p.write("foreign", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 200))
	if r := p.want(1, "run", "--script", foreign, "--hosts", host); !strings.Contains(r.out, "neither a program for this machine nor a script") {
		t.Error(r)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RabbitMQ imports the documents of broker-setup --definitions, also a second time. Agents and
// operators can then work with the imported logins.
func TestImportedDefinitionsSuffice(t *testing.T) {
	t.Parallel()
	c := newConfined(t)
	for range 2 {
		for _, part := range []string{"exchanges", "logins"} {
			r := c.want(0, "broker-setup", "--vhost", c.vhost, "--definitions", part, "--operator", "ann", "--agent", "d1,dalias1")
			file := filepath.Join(c.dir, part+".json")
			if err := os.WriteFile(file, []byte(r.out), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := c.node.Ctl(t.Context(), "import_definitions", file); err != nil {
				t.Fatalf("%s: %v\n%s\n%s", part, err, out, r.out)
			}
		}
	}
	agent := c.agent("d1", "--alias", "dalias1", "--inbox")
	await(t, &agent.Err, "the inbox was read to its end")
	has(t, c.run("ann", 0, "hosts").out, "d1", "dalias1")
	has(t, c.run("ann", 0, "run", "seq 1000", "--hosts", "dalias1").out, "done: 1 ok")
	c.transfers("ann", "dalias1")
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	c.gone("ann", "d1")
	task := lastWord(c.run("ann", 0, "run", "echo later", "--hosts", "d1", "--when-online", "1h", "--detach").out)
	c.agent("d1", "--alias", "dalias1", "--inbox")
	has(t, c.run("ann", 0, "wait", task).out, "later", "done: 1 ok")
	for _, line := range strings.Split(agent.Err.String(), "\n") {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Errorf("the agent logged %s", line)
		}
	}
}

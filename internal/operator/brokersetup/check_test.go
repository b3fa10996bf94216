package brokersetup

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// A warning of rabbitmqctl is no finding. A login without topic permissions is one.
func TestCheckFindsWhoIsNotConfined(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("RabbitMQ's node on Windows has no sh")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, c := range []struct {
		permissions, topics string
		want                []string
	}{
		{`web01\t^a$\t^(warren\\.replies)$\t^(warren\\.hosts)$\nmonitor\t\t\t\nnobody\t^$\t^$\t^$\n`, `web01\twarren.hosts\t^web01~$\t^web01$\n`, nil},
		{`a\t.*\t^$\t^$\nb\t^$\t^.+$\t^$\nc\t^$\t^$\twarren\\..*\n`, `a\twarren.hosts\tx\tx\nb\twarren.hosts\tx\tx\nc\twarren.hosts\tx\tx\n`, []string{`not confined in virtual host v: a b c`}},
		{`d e\t^warren\\.reply\\.d$\t^warren\\.hosts$\t^warren\\.replies$\n`, `d e\twarren.replies\tx\tx\n`, []string{`not confined in virtual host v: d e`}},
	} {
		script := `#!/bin/sh
echo 'warning: the VM is running with native name encoding of latin1' >&2
case "$*" in
*list_exchanges*) printf 'warren.hosts\ttopic\nwarren.replies\ttopic\nwarren.discover\tfanout\n' ;;
*list_permissions*) printf '` + c.permissions + `' ;;
*list_topic_permissions*) printf '` + c.topics + `' ;;
esac
`
		if err := os.WriteFile(filepath.Join(dir, "rabbitmqctl"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := (Config{Vhost: "v"}).RunCheck(t.Context()); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", c.permissions, got, err, c.want)
		}
	}
}

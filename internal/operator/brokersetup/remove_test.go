package brokersetup

import (
	"bytes"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// removeDouble is a rabbitmqctl that reports its calls that change something. Login
// shared has permissions in another virtual host.
const removeDouble = `rabbitmqctl() {
	case $* in
	*list_users*) printf '%s\t[]\n' guest alice web01 shared 'o\\k' ;;
	*list_queues*) printf '%s\n' orders warren.host.web01 warren.inbox.web01 warren.host.web02 warren.inbox.10.0.0.7 ;;
	*list_user_permissions*shared) printf '%s\t.*\t.*\t.*\n' v other ;;
	*list_user_permissions*) printf 'v\t.*\t.*\t.*\n' ;;
	*) echo "$*" ;;
	esac
}
`

func TestRemoveScriptRemovesOnlyTheNamed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell, as the nodes of the broker have")
	}
	script, err := Config{Vhost: "v", Operators: []string{"alice", "nobody", `o\k`}, Agents: []Agent{
		{ID: "WEB01", Aliases: []string{"10.0.0.7"}}, {ID: "shared"}, {ID: "web9"},
	}}.RemoveScript()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-s")
	cmd.Stdin = strings.NewReader(removeDouble + script)
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, _ := cmd.Output()
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d", status)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := []string{
		"-s delete_user alice", `-s delete_user o\k`, "-s delete_user web01",
		"-s clear_permissions -p v shared", "-s clear_topic_permissions -p v shared",
		"-s delete_queue -p v warren.host.web01", "-s delete_queue -p v warren.inbox.web01", "-s delete_queue -p v warren.inbox.10.0.0.7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls:\n%s\nwant:\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), &warnings)
	}
	if !strings.Contains(warnings.String(), "login shared has permissions in other virtual hosts and stays: other") {
		t.Errorf("%s", &warnings)
	}
}

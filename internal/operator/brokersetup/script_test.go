package brokersetup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A run is what a script does with a rabbitmqctl that plays a broker.
type run struct {
	calls  []string // each with its arguments, joined by blanks
	status int
	said   string
	imported
}

// imported is what rabbitmqctl import_definitions gets.
type imported struct {
	Users []struct {
		Name string
		Hash string `json:"password_hash"`
	}
	Permissions []struct{ User, Vhost, Configure, Write, Read string }
	Topics      []struct{ User, Vhost, Exchange, Write, Read string } `json:"topic_permissions"`
	Exchanges   []struct{ Name, Vhost, Type string }
}

// ctlDouble tells of its calls on standard error. Users are there already.
const ctlDouble = `rabbitmqctl() {
	printf '\036%s' "$*" >&2
	case $* in
	*list_users*) printf '%s\t[]\n' guest "$THERE" ;;
	*import_definitions*) printf '\037' >&2; shift 2; cat "$1" >&2 ;;
	esac
}
`

func runScript(t interface{ Fatalf(string, ...any) }, script, there string) run {
	cmd := exec.Command("sh", "-s")
	cmd.Stdin, cmd.Env = strings.NewReader(ctlDouble+script), append(cmd.Environ(), "THERE="+there)
	var said bytes.Buffer
	cmd.Stderr = &said
	_ = cmd.Run() // the status says it
	r := run{status: cmd.ProcessState.ExitCode(), said: said.String()}
	for _, call := range strings.Split(r.said, "\x1e")[1:] {
		call, text, is := strings.Cut(call, "\x1f")
		if !is {
			r.calls = append(r.calls, call)
			continue
		}
		r.calls = append(r.calls, call[:strings.LastIndex(call, " ")]) // the file's name is random
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&r.imported); err != nil {
			t.Fatalf("no document is imported: %v\n%s", err, text)
		}
	}
	return r
}

func needShell(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
}

// Whatever the names, each comes to RabbitMQ as it is, and the shell runs nothing
// else.
func TestNamesReachRabbitMQWhole(t *testing.T) {
	needShell(t)
	name := rapid.StringMatching(`[a-zA-Z0-9'"$\x60\\ ;&|<>(){}*?#!~é.]{1,20}`).Filter(func(s string) bool { return checkName("", s) == nil })
	rapid.Check(t, func(t *rapid.T) {
		vhost, operator := name.Draw(t, "vhost"), name.Draw(t, "operator")
		script, err := Config{Vhost: vhost, Operators: []string{operator}, External: true}.Script(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := runScript(t, script, "")
		if r.status != 1 || len(r.Users) != 1 || len(r.Permissions) != 1 || len(r.Topics) != 2 || len(r.Exchanges) != 3 { // 1: its exchanges are not there
			t.Fatalf("status %d, %+v\n%s", r.status, r, script)
		}
		if r.Users[0].Name != operator || r.Users[0].Hash != "" {
			t.Errorf("user %+v", r.Users[0])
		}
		if p := r.Permissions[0]; p.User != operator || p.Vhost != vhost || !strings.HasPrefix(p.Read, `^(warren\.replies|warren\.hosts|warren\.reply\.`) {
			t.Errorf("permissions %+v", p)
		}
		if p := r.Topics[0]; p.User != operator || p.Vhost != vhost || p.Exchange != "warren.replies" || p.Write != "^$" {
			t.Errorf("topic permissions %+v", p)
		}
		if p := r.Topics[1]; p.User != operator || p.Vhost != vhost || p.Exchange != "warren.hosts" || !strings.HasPrefix(p.Read, `^warren\.file\.`) {
			t.Errorf("topic permissions %+v", p)
		}
		if x := r.Exchanges[1]; x.Vhost != vhost || x.Name != "warren.replies" || x.Type != "topic" {
			t.Errorf("exchange %+v", x)
		}
		if !reflect.DeepEqual(r.calls[:3], []string{"-s list_vhosts name", "-s add_vhost " + vhost, "-s list_users"}) {
			t.Errorf("calls %q", r.calls)
		}
	})
}

// If a user exists, the definitions leave out that user and no other.
func TestExistingLoginKeepsItsPassword(t *testing.T) {
	needShell(t)
	c := Config{Vhost: "v", Operators: []string{"alice", `o'ne\il`}, Agents: []Agent{{ID: "web01"}}}
	dir := t.TempDir() + "/passwords"
	passwords, err := c.Passwords(dir)
	if err != nil {
		t.Fatal(err)
	}
	for there, left := range map[string][]string{
		"alice":    {`o'ne\il`, "web01"},
		`o'ne\\il`: {"alice", "web01"}, // as rabbitmqctl prints it
		"web01":    {"alice", `o'ne\il`},
		"web0":     {"alice", `o'ne\il`, "web01"},
	} {
		script, err := c.Script(passwords)
		if err != nil {
			t.Fatal(err)
		}
		r := runScript(t, script, there)
		var names []string
		for _, u := range r.Users {
			names = append(names, u.Name)
			if u.Hash != passwords[u.Name].Hash || len(u.Hash) != 48 {
				t.Errorf("%+v", u)
			}
		}
		if !reflect.DeepEqual(names, left) || len(r.Permissions) != 3 {
			t.Errorf("%s is there: %q are made, with %d permissions", there, names, len(r.Permissions))
		}
		if stale := strings.Contains(r.said, "warning: was there before"); stale != (len(left) < 3) || stale && !strings.Contains(r.said, "files: "+there+"\n") {
			t.Errorf("%s is there: %s", there, r.said)
		}
	}
	// A file that was there is the user's, as far as anybody knows.
	again, err := c.Passwords(dir)
	if err != nil {
		t.Fatal(err)
	}
	script, err := c.Script(again)
	if err != nil {
		t.Fatal(err)
	}
	if r := runScript(t, script, "alice"); strings.Contains(r.said, "was there before") {
		t.Errorf("an old file: %s", r.said)
	}
}

// rabbitmqctl costs seconds: it is called as often for one login as for thousands.
func TestCallsDoNotGrowWithLogins(t *testing.T) {
	needShell(t)
	setUp := func(n int) run {
		c := Config{Vhost: "v", Operators: []string{"alice"}}
		for i := range n {
			c.Agents = append(c.Agents, Agent{ID: fmt.Sprintf("web%d", i)})
		}
		passwords, err := c.Passwords(t.TempDir() + "/p")
		if err != nil {
			t.Fatal(err)
		}
		script, err := c.Script(passwords)
		if err != nil {
			t.Fatal(err)
		}
		r := runScript(t, script, "web0")
		if len(r.Users) != n || len(r.Permissions) != n+1 { // web0 is there
			t.Errorf("of %d logins, %d users and %d permissions come", n+1, len(r.Users), len(r.Permissions))
		}
		return r
	}
	if one, many := setUp(1), setUp(5000); !reflect.DeepEqual(one.calls, many.calls) || len(one.calls) != 9 {
		t.Errorf("for one agent %q\nfor 5000 %q", one.calls, many.calls)
	}
}

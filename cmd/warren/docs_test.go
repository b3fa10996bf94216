//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"warren/internal/testlab/clitest"
)

// A page is a page of the documentation, whose commands a test runs at a virtual host of its own.
type page struct {
	*confined
	name, text string
	replace    []string // what stands for the reader's names: old and new
	identity   string   // the key, if it is not in the configuration
}

func newPage(t *testing.T, name string) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return &page{confined: newConfined(t), name: name, text: string(text)}
}

// block returns the code block that contains a text, without its indentation.
func (d *page) block(contains string) string {
	d.t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^( *)```\n(.*?)^ *```$").FindAllStringSubmatch(d.text, -1) {
		if strings.Contains(m[2], contains) {
			return regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[2], "")
		}
	}
	d.t.Fatalf("docs/%s has no block with %q", d.name, contains)
	return ""
}

// typed returns the commands of a block that are typed at a shell.
func (d *page) typed(contains string) string {
	d.t.Helper()
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(d.block(contains), -1) {
		commands = append(commands, m[1])
	}
	return strings.Join(commands, "\n")
}

// cron returns the command of a crontab's line that contains a text.
func (d *page) cron(contains string) string {
	d.t.Helper()
	m := regexp.MustCompile(`^(?:\S+ ){5}(.*)\n$`).FindStringSubmatch(d.block(contains))
	if m == nil || strings.Contains(m[1], "%") { // cron would end the line there
		d.t.Fatalf("no line of a crontab: %q", d.block(contains))
	}
	return m[1]
}

// changed is a command of the page with the names of the test.
func (d *page) changed(command string) string {
	return strings.NewReplacer(d.replace...).Replace(command)
}

// shell runs a command of the page as at a node of the broker, and returns what it prints.
func (d *page) shell(command string) string {
	d.t.Helper()
	command = d.changed(command)
	cmd := d.node.Command(d.t.Context(), "sh", "-ec", command)
	path := cmd.Env[len(cmd.Env)-1] // the last variable is the PATH with the tools of the node
	cmd.Dir = d.dir
	cmd.Env = append(cmd.Env, strings.Replace(path, "PATH=", "PATH="+d.bin+":", 1), "LC_ALL=C.UTF-8", "NO_COLOR=1",
		"WARREN_BROKER="+d.broker, "WARREN_IDENTITY="+d.identity, "WARREN_DATA_DIR="+d.data, "XDG_CONFIG_HOME="+d.home+"/.config", "CLUSTERSHELL_CFGDIR="+d.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// configure writes the configuration of an operator.
func (d *page) configure(text string) {
	d.t.Helper()
	file := d.home + "/.config/warren/config.toml"
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(d.changed(text)), 0o600)); err != nil {
		d.t.Fatal(err)
	}
}

// The lines for cron, with a key that may run nothing else and cron's few variables.
func TestMonitoringOfHostsAsDocumented(t *testing.T) {
	t.Parallel()
	d := newPage(t, "monitoring.md")
	broker, err := d.node.AddVhost(t.Context(), d.vhost)
	if err != nil {
		t.Fatal(err)
	}
	d.broker = broker
	key, _ := d.keygen("monitoring", "")
	d.replace = []string{"ssh-ed25519 AAAA… monitoring", d.line(key)}
	operators := d.write("authorized_operators", d.changed(d.block("monitoring\n")))
	start := func(name string) *clitest.Process {
		a, err := clitest.StartAgent(d.bin, d.broker, d.home, name, "--authorized-operators", operators, "--label", "role=web")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Kill() })
		return a
	}
	start("m1")
	second := start("m2")
	d.configure(fmt.Sprintf("broker = %q\nidentity = %q\ngroups = %q\n", d.broker, key, d.write("groups.yaml", "roles: {web: \"m[1-2]\"}\n")))
	d.replace = []string{"/usr/local/bin/warren", d.bin + "/warren", "--min-hosts 18", "--min-hosts 2", "/var/lib/node_exporter/textfile", d.dir}
	cron := func(command string) string {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", d.changed(command))
		cmd.Dir, cmd.Env = d.home, []string{"HOME=" + d.home, "PATH=/usr/bin:/bin", "LOGNAME=monitoring", "SHELL=/bin/sh", os.ExpandEnv("GORACE=$GORACE")}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out)
	}
	mail, metrics := d.cron("|| echo"), d.cron("--metrics-file")
	if out := cron(mail); out != "" {
		t.Errorf("cron sends mail while all hosts answer: %s", out)
	}
	cron(metrics)
	has(t, d.content(d.dir+"/warren.prom"), `warren_host_up{host="m1"} 1`, `warren_host_up{host="m2"} 1`, "\nwarren_hosts_asked_time_seconds ")
	d.identity = key
	d.shell(d.typed("--min-hosts 18"))
	prove := regexp.MustCompile("`(warren run /bin/true [^`]*)`").FindStringSubmatch(d.text)
	if prove == nil {
		t.Fatal("no command proves that commands run")
	}
	has(t, d.shell(prove[1]), "done: 2 ok")
	has(t, d.want(1, "--identity", key, "run", "id", "--hosts", "m1").out, "rejected")

	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	has(t, cron(mail), "m2")
	cron(metrics)
	has(t, d.content(d.dir+"/warren.prom"), `warren_host_up{host="m1"} 1`, `warren_host_up{host="m2"} 0`)
}

// The commands for a node of RabbitMQ exist there, and show what the page says.
func TestMonitoringOfBrokerAsDocumented(t *testing.T) {
	t.Parallel()
	d := newPage(t, "monitoring.md")
	d.vhost = "monitored" // a word of the shell
	broker, err := d.node.AddVhost(t.Context(), d.vhost)
	if err != nil {
		t.Fatal(err)
	}
	d.broker = broker
	host, a := d.place.agent("m", "--inbox")
	d.replace = []string{"-p warren ", "-p " + d.vhost + " ", `\|`, "|"}
	_, section, _ := strings.Cut(d.text, "\n## The broker\n")
	section, _, _ = strings.Cut(section, "\n## ")
	printed := map[string]string{}
	for _, m := range regexp.MustCompile("`(rabbitmq[^`]*)`").FindAllStringSubmatch(section, -1) {
		printed[m[1]] = d.shell(m[1])
	}
	const connections, queues = `rabbitmqctl list_connections --silent user vhost \| wc -l`, "rabbitmqctl list_queues --silent -p warren name messages"
	if n, err := strconv.Atoi(strings.TrimSpace(printed[connections])); err != nil || n < 1 {
		t.Errorf("%d connections, %v", n, err)
	}
	has(t, printed["rabbitmq-diagnostics status"], "File Descriptors")
	has(t, printed[queues], "warren.host."+host+"\t0\n", "warren.inbox."+host+"\t0\n")
	ours := func() int {
		t.Helper()
		list, _, _ := strings.Cut(connections, ` \|`)
		return strings.Count(d.shell(list), "\t"+d.vhost+"\n")
	}
	if n := ours(); n != 2 {
		t.Errorf("an agent with an inbox has %d connections", n)
	}
	d.place.agent("plain")
	if n := ours(); n != 3 {
		t.Errorf("two agents, one with an inbox, have %d connections", n)
	}
	w := d.start("run", "sleep 600", "--hosts", host)
	await(t, &a.Err, "msg=began")
	if n := ours(); n != 5 {
		t.Errorf("two agents and an operator have %d connections", n)
	}
	has(t, d.shell(queues), "warren.reply.")
	if err := w.Kill(); err != nil {
		t.Error(err)
	}
}

// Four operators share hosts, and one of them leaves.
func TestTeamAsDocumented(t *testing.T) {
	t.Parallel()
	d := newPage(t, "team.md")
	d.vhost = "team"
	team := []string{"alice", "bob", "carol", "dave"}
	// Tests share the node, so the logins have names of their own.
	login := func(name string) string { return "team-" + name }
	d.replace = []string{"ssh root@rabbit sh", "sh", "broker-setup ", "broker-setup --vhost team "}
	for _, name := range team {
		d.replace = append(d.replace, "--operator "+name, "--operator "+login(name))
	}
	setup := d.typed("--operator bob")
	d.shell(strings.Replace(setup, " | ", " --agent team-a | ", 1))

	var keys, prints []string
	text := strings.TrimPrefix(d.block("$ cat authorized_operators"), "$ cat authorized_operators\n")
	for _, name := range team {
		key, fingerprint := d.keygen(name, "")
		keys, prints = append(keys, key), append(prints, fingerprint)
		text = strings.Replace(text, "ssh-ed25519 AAAA… "+name, d.line(key), 1)
	}
	d.agent("team-a", "--authorized-operators", d.write("authorized_operators", text), "--revoked-operators", d.write("revoked_operators", ""))
	as := func(n int, status int, args ...string) result {
		t.Helper()
		d.data = d.dir + "/data-" + team[n]
		return d.run(login(team[n]), status, append([]string{"--identity", keys[n]}, args...)...)
	}
	for n := range team {
		if team[n] != "carol" {
			has(t, as(n, 0, "run", "true", "--hosts", "team-a").out, "done: 1 ok")
		}
	}
	has(t, as(2, 1, "run", "id", "--hosts", "team-a").out, "rejected")
	has(t, as(2, 0, "rights", "--hosts", "team-a").out, "systemctl (status|restart) [a-z0-9-]+")
	has(t, as(3, 0, "rights", "--hosts", "team-a").out, regexp.MustCompile(`expiry-time="(\d{4})`).FindStringSubmatch(text)[1])

	// As alice, with her configuration.
	d.broker, d.data = "", d.dir+"/data-alice"
	d.replace = append(d.replace, "amqps://alice@rabbit.example/warren", d.url(login("alice")), "/home/alice/.warren-password", d.passwordFile(login("alice")),
		"/home/alice/fleet/groups.yaml", d.write("groups.yaml", "roles: {web: team-a}\n"))
	d.configure(strings.TrimPrefix(d.block("config.toml"), "$ cat ~/.config/warren/config.toml\n"))
	d.identity = keys[0]
	has(t, d.shell(d.typed("warren doctor")), "runs commands of this key as user", "team-a  any ")
	has(t, d.shell(d.typed("hosts fold '@*'")), "team-a")

	d.replace = append(d.replace, "SHA256:…", prints[3], "/etc/warren/revoked_operators", d.dir+"/revoked_operators")
	has(t, d.shell(d.typed("revoked_operators")), "done: 1 ok")
	has(t, as(3, 1, "run", "true", "--hosts", "team-a").out, "done: 1 rejected")
	d.broker = ""
	d.shell(d.typed("--remove"))
	has(t, as(3, 3, "hosts").err, `refused user "team-dave"`)
	has(t, as(0, 0, "run", "true", "--hosts", "team-a").out, "done: 1 ok")
}

package rabbit

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Ctl runs rabbitmqctl against the node and returns what it prints on standard
// output. A call takes 2 to 3 seconds; Eval is quicker.
func (n *Node) Ctl(ctx context.Context, args ...string) (string, error) {
	return n.tool(ctx, "", n.programs.ctl, args...)
}

// Eval evaluates Erlang expressions, with the final dot, within the broker and
// returns the last one's value as Erlang prints it.
func (n *Node) Eval(ctx context.Context, expr string) (string, error) {
	if n.programs.erlCall == "" {
		return n.Ctl(ctx, "eval", expr)
	}
	out, err := n.tool(ctx, expr+"\n", n.programs.erlCall, "-h", caller(), "-sname", n.Name, "-timeout", "30", "-e")
	if err != nil {
		return "", err
	}
	value, ok := strings.CutPrefix(out, "{ok, ")
	if !ok {
		return "", fmt.Errorf("the RabbitMQ node could not evaluate %s: %s", expr, out)
	}
	return strings.TrimSuffix(value, "}"), nil
}

// calls counts the calls of this process.
var calls atomic.Int64

// caller returns a name for an Erlang node that calls another one. Two calls at the same time need
// names that differ, and erl_call itself gives them names by the second.
func caller() string { return fmt.Sprintf("caller%d-%d", os.Getpid(), calls.Add(1)) }

// Command is a program that finds this node's rabbitmqctl in its PATH, and the
// node by it, in the node's directory.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(n.env[:len(n.env):len(n.env)], "PATH="+filepath.Dir(n.programs.ctl)+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Dir = n.Dir
	cmd.WaitDelay = time.Second
	return cmd
}

func (n *Node) tool(ctx context.Context, stdin, path string, args ...string) (string, error) {
	cmd := n.Command(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// Members is how many nodes of its cluster run, this one included.
func (n *Node) Members(ctx context.Context) (int, error) {
	// The name is another from RabbitMQ 3.11 on.
	value, err := n.Eval(ctx, "length(try rabbit_nodes:all_running() catch error:undef -> rabbit_nodes:list_running() end).")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(value)
}

// AddVhost creates a virtual host in which guest may do everything, and
// returns its URL.
func (n *Node) AddVhost(ctx context.Context, name string) (string, error) {
	v := binary(name)
	if err := n.evalOK(ctx, fmt.Sprintf("ok = rabbit_vhost:add(%s, %s), ", v, actor)+permit("guest", name, ".*", ".*", ".*")); err != nil {
		return "", fmt.Errorf("cannot add vhost %q: %w", name, err)
	}
	return n.vhostURL(name), nil
}

// AddUser creates a user with permissions (regular expressions, as for
// rabbitmqctl set_permissions) in one virtual host, and returns its URL there.
func (n *Node) AddUser(ctx context.Context, vhost, user, password, configure, write, read string) (string, error) {
	expr := fmt.Sprintf("ok = rabbit_auth_backend_internal:add_user(%s, %s, %s), ", binary(user), binary(password), actor)
	if err := n.evalOK(ctx, expr+permit(user, vhost, configure, write, read)); err != nil {
		return "", fmt.Errorf("cannot add user %q: %w", user, err)
	}
	return strings.Replace(n.vhostURL(vhost), "guest:guest", url.UserPassword(user, password).String(), 1), nil
}

// actor is who RabbitMQ's own log says has made the change.
const actor = `<<"warren">>`

func permit(user, vhost, configure, write, read string) string {
	return fmt.Sprintf("rabbit_auth_backend_internal:set_permissions(%s, %s, %s, %s, %s, %s).",
		binary(user), binary(vhost), binary(configure), binary(write), binary(read), actor)
}

func (n *Node) evalOK(ctx context.Context, expr string) error {
	value, err := n.Eval(ctx, expr)
	if err == nil && value != "ok" {
		err = fmt.Errorf("the RabbitMQ node answered %s", value)
	}
	return err
}

// binary writes text as an Erlang binary, byte by byte, so that nothing in it
// needs quoting.
func binary(text string) string {
	b := make([]string, len(text))
	for i := range len(text) {
		b[i] = fmt.Sprint(text[i])
	}
	return "<<" + strings.Join(b, ",") + ">>"
}

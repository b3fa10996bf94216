package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/clitest"
	"warren/internal/testlab/rabbit"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

// A confined is a virtual host that broker-setup has made, with its logins.
type confined struct {
	*place
	node  *rabbit.Node
	vhost string
}

// setUp runs what broker-setup prints, as a shell on the broker's node does, and
// returns what both say; the script ends with status.
func (c *confined) setUp(status int, args ...string) string {
	c.t.Helper()
	script := c.want(0, append([]string{"broker-setup", "--vhost", c.vhost}, args...)...)
	cmd := c.node.Command(c.t.Context(), "sh")
	cmd.Stdin = strings.NewReader(script.out)
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != status {
		c.t.Fatalf("the script ends with %v, want %d\n%s\n%s", err, status, said, script.out)
	}
	return script.out + script.err + string(said)
}

func (c *confined) passwordFile(login string) string {
	return filepath.Join(c.dir, "warren-passwords", url.PathEscape(login))
}

// url is a login's, without a password.
func (c *confined) url(login string) string {
	return fmt.Sprintf("amqp://%s@127.0.0.1:%d/%s", url.PathEscape(login), c.node.Port, url.PathEscape(c.vhost))
}

func (c *confined) dial(login string) *amqp.Connection {
	c.t.Helper()
	password, err := os.ReadFile(c.passwordFile(login))
	if err != nil {
		c.t.Fatal(err)
	}
	conn, err := amqp.Dial(strings.Replace(c.url(login), "@", ":"+string(password)+"@", 1))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) })
	return conn
}

// outcome is the reply code that ends a channel on which this is done; 0 if the
// broker does it.
func outcome(t *testing.T, conn *amqp.Connection, do func(ch *amqp.Channel) error) int {
	t.Helper()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirmed := ch.NotifyPublish(make(chan amqp.Confirmation, 1))
	if err = do(ch); err == nil && ch.GetNextPublishSeqNo() > 1 {
		// A publication is refused later. Nothing is sent meanwhile: what the library sends while
		// the broker closes the channel can end the connection.
		if _, ok := <-confirmed; !ok {
			err = amqp.ErrClosed
		}
	}
	if err == nil {
		return 0
	}
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code == amqp.ErrClosed.Code {
		e = <-closed
	}
	if e == nil {
		t.Fatalf("the channel was closed without a word: %v", err)
	}
	return e.Code
}

func newConfined(t *testing.T) *confined {
	t.Helper()
	return &confined{place: newPlace(t), node: rabbittest.Node(t), vhost: "warren of " + t.Name()}
}

func (c *confined) run(operator string, status int, args ...string) result {
	c.t.Helper()
	c.broker = c.url(operator)
	return c.want(status, append([]string{"--broker-password-file", c.passwordFile(operator)}, args...)...)
}

func (c *confined) agent(id string, args ...string) *clitest.Process {
	c.t.Helper()
	a, err := clitest.StartAgent(c.bin, c.url(id), c.home, id, append([]string{"--broker-password-file", c.passwordFile(id)}, args...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = a.Kill()
		if c.t.Failed() {
			c.t.Logf("the agent %s:\n%s", id, clip(a.Err.String()))
		}
	})
	return a
}

// gone waits until the broker has deleted the queue of an agent that has ended. On a busy
// machine that takes a moment, and until then the broker accepts requests for it.
func (c *confined) gone(operator, id string) {
	c.t.Helper()
	eventually(c.t, func() error {
		if r := c.run(operator, 1, "hosts", "--hosts", id); !strings.Contains(r.err, "no agent with that name is connected") {
			return errors.New(r.String())
		}
		return nil
	})
}

// The logins that broker-setup makes do all that Warren does, and no more.
func TestConfinedLogins(t *testing.T) {
	t.Parallel()
	c := newConfined(t)
	setup := []string{"--operator", "alice", "--operator", "o'neil.j", "--agent", "h.1,alias.1", "--agent", "h2,alias2"}
	said := c.setUp(0, setup...)
	has(t, said, "new passwords: 4, in ", "/warren-passwords\n")
	first, err := os.ReadFile(c.passwordFile("h.1"))
	if err != nil || len(first) != 48 || strings.Contains(said, string(first)) {
		t.Fatalf("the password %q, %v; the script said %s", first, err, said)
	}

	// Once more, with one agent more: nobody's password changes, not even where its
	// file is lost.
	if err := os.Rename(c.passwordFile("h2"), c.dir+"/h2"); err != nil {
		t.Fatal(err)
	}
	said = c.setUp(1, append(setup, "--agent", "h3")...)
	has(t, said, "new passwords: 2, in ", "warning: was there before", "files: h2\n", "hint: ")
	if err := os.Rename(c.dir+"/h2", c.passwordFile("h2")); err != nil {
		t.Fatal(err)
	}
	c.dial("h3")

	one := c.agent("h.1", "--alias", "alias.1", "--inbox")
	two := c.agent("h2", "--alias", "alias2", "--alias", "alias.1") // which it may not have
	await(t, &two.Err, `does not answer to this name.*alias\.1`)

	has(t, c.run("alice", 0, "run", "echo from $(hostname)", "--hosts", "h.1 h2").out, "done: 2 ok")
	has(t, c.run("alice", 0, "run", "echo hello", "--hosts", "alias.1 alias2").out, "done: 2 ok")
	has(t, c.run("o'neil.j", 0, "run", "seq 100000", "--hosts", "h.1", "--max-output", "100KiB").out, "done: 1 ok")
	c.run("alice", 0, "hosts", "--hosts", "h.1 h2") // from now on, hosts waits for both
	has(t, c.run("alice", 0, "hosts").out, "h.1", "h2")
	c.transfers("alice", "h.1", "h2")
	if err := one.Stop(); err != nil {
		t.Fatal(err)
	}
	c.gone("alice", "h.1")
	task := strings.TrimSpace(c.run("alice", 0, "run", "echo later", "--hosts", "h.1", "--when-online", "1h", "--detach").out)
	task = task[strings.LastIndexByte(task, ' ')+1:]
	c.agent("h.1", "--alias", "alias.1", "--inbox")
	has(t, c.run("alice", 0, "wait", task).out, "later", "done: 1 ok")

	c.refused()
	c.ignored(two, "h2")
	c.check()
	c.remove()
}

// transfers pushes a file that is too large for a request, and collects it. The logins suffice
// for a stream: no notice says that the content takes another way.
func (c *confined) transfers(operator string, hosts ...string) {
	c.t.Helper()
	source, target, out := filepath.Join(c.dir, "source"), filepath.Join(c.temp(), "file"), filepath.Join(c.dir, "collected")
	writeRandom(c.t, source, 3*wire.MaxFileChunk)
	r := c.run(operator, 0, "push", source, "--to", target, "--hosts", strings.Join(hosts, " "))
	if strings.Contains(r.err, "own queue") || strings.Contains(r.err, "stream queues need") {
		c.t.Errorf("no stream: %s", r)
	}
	sameFile(c.t, source, target)
	c.run(operator, 0, "collect", target, "--hosts", strings.Join(hosts, " "), "--save", out)
	for _, host := range hosts {
		sameFile(c.t, source, filepath.Join(out, host, target))
	}
}

// remove removes the login and the queues of an agent, and checks that they are gone.
func (c *confined) remove() {
	c.t.Helper()
	queues := func() string {
		out, err := c.node.Ctl(c.t.Context(), "-s", "list_queues", "-p", c.vhost, "name")
		if err != nil {
			c.t.Fatal(err)
		}
		return out + "\n"
	}
	has(c.t, queues(), "warren.inbox.h.1\n", "warren.host.h2\n")
	c.setUp(0, "--remove", "--agent", "h.1,alias.1")
	left := queues()
	for _, gone := range []string{"warren.inbox.h.1\n", "warren.host.h.1\n", "warren.host.alias.1\n"} {
		if strings.Contains(left, gone) {
			c.t.Errorf("the broker still has %s", gone)
		}
	}
	has(c.t, left, "warren.host.h2\n")
	password, err := os.ReadFile(c.passwordFile("h.1"))
	if err != nil {
		c.t.Fatal(err)
	}
	if conn, err := amqp.Dial(strings.Replace(c.url("h.1"), "@", ":"+string(password)+"@", 1)); err == nil {
		conn.Close()
		c.t.Error("the removed login still works")
	}
	c.setUp(0, "--remove", "--agent", "h.1,alias.1")
}

// refused tries what the logins may not do while agents and operators are there.
func (c *confined) refused() {
	c.t.Helper()
	agent, alice, oneil := c.dial("h.1"), c.dial("alice"), c.dial("o'neil.j")

	// Alice waits for replies in a queue whose name everybody knows.
	reply := wire.ReplyQueue("alice", "known")
	ch, err := alice.Channel()
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(reply, false, false, true, false, nil); err != nil {
		c.t.Fatal(err)
	}
	if err := ch.QueueBind(reply, reply, wire.ExchangeReplies, false, nil); err != nil {
		c.t.Fatal(err)
	}
	replies, err := ch.Consume(reply, "", true, true, false, false, nil)
	if err != nil {
		c.t.Fatal(err)
	}

	// The content of one of her pushes is in a stream.
	file := wire.FileQueue("alice", "known")
	stream := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"})
			return err
		}
	}
	if err := errors.Join(stream(file)(ch), ch.QueueBind(file, wire.FileKey(file), wire.ExchangeHosts, false, nil)); err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if _, err := ch.QueueDelete(file, false, false, false); err != nil {
			c.t.Errorf("she deletes her stream: %v", err)
		}
	}()
	receive := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			if err := ch.Qos(1, 0, false); err != nil {
				return err
			}
			_, err := ch.Consume(name, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
			return err
		}
	}

	declare := func(name string, args amqp.Table) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, false, false, true, false, args)
			return err
		}
	}
	inbox := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			return err
		}
	}
	get := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { _, _, err := ch.Get(name, true); return err }
	}
	consume := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.Consume(name, "", true, false, false, false, nil)
			return err
		}
	}
	bind := func(queue, key, exchange string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			if err := declare(queue, nil)(ch); err != nil {
				c.t.Fatalf("its own queue %s: %v", queue, err)
			}
			return ch.QueueBind(queue, key, exchange, false, nil)
		}
	}
	publish := func(exchange, key string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			return ch.Publish(exchange, key, false, false, amqp.Publishing{Body: []byte(c.t.Name())})
		}
	}
	remove := func(queue string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { _, err := ch.QueueDelete(queue, false, false, false); return err }
	}
	purge := func(queue string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { _, err := ch.QueuePurge(queue, false); return err }
	}
	exchange := func(do func(*amqp.Channel, string) error, name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { return do(ch, name) }
	}
	create := func(ch *amqp.Channel, name string) error {
		return ch.ExchangeDeclare(name, "topic", true, false, false, false, nil)
	}
	drop := func(ch *amqp.Channel, name string) error { return ch.ExchangeDelete(name, false, false) }
	reroute := func(from, to, key string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { return ch.ExchangeBind(to, key, from, false, nil) }
	}
	host, mine, his := wire.HostQueue, wire.HostQueue("alias.1"), wire.ReplyQueue("o'neil.j", "1")

	const denied = amqp.AccessRefused
	for _, try := range []struct {
		who  *amqp.Connection
		what string
		do   func(*amqp.Channel) error
		want int
	}{
		{agent, "an agent reads another's requests", get(host("h2")), denied},
		{agent, "an agent consumes another's requests", consume(host("h2")), denied},
		{agent, "an agent reads another's inbox", get(wire.InboxQueue("h2")), denied},
		{agent, "an agent takes an absent agent's name", declare(host("h3"), nil), denied},
		{agent, "an agent takes another's alias", declare(host("alias2"), nil), denied},
		{agent, "an agent takes a name that looks like its own", declare(host("hx1"), nil), denied},
		{agent, "an agent takes a longer name", declare(host("h.1.example"), nil), denied},
		{agent, "an agent makes another's inbox", inbox(wire.InboxQueue("h2")), denied},
		{agent, "an agent sends a request", publish("", host("h2")), denied},
		{agent, "an agent sends itself a request", publish("", host("h.1")), denied},
		{agent, "an agent asks everybody", publish(wire.ExchangeDiscover, ""), denied},
		{agent, "an agent's rejections become requests", declare(wire.InboxQueue("alias.1"), amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": host("h2")}), denied},
		{agent, "an agent sends a host a request", publish(wire.ExchangeHosts, wire.HostKey("h2")), denied},
		{agent, "an agent sends its own name a request", publish(wire.ExchangeHosts, wire.HostKey("h.1")), denied},
		{agent, "an agent fills another's inbox", publish(wire.ExchangeHosts, wire.InboxKey("h2")), denied},
		{agent, "an agent has copies of another's requests", bind(wire.InboxQueue("alias.1"), wire.HostKey("h2"), wire.ExchangeHosts), denied},
		{agent, "an agent has copies of all requests", bind(wire.InboxQueue("alias.1"), "#", wire.ExchangeHosts), denied},
		{agent, "an agent claims another's name", bind(wire.InboxQueue("alias.1"), wire.LaterKey("h2"), wire.ExchangeHosts), denied},
		{agent, "an agent hides another from requests", func(ch *amqp.Channel) error {
			return ch.QueueUnbind(host("h2"), wire.HostKey("h2"), wire.ExchangeHosts, nil)
		}, denied},
		{agent, "an agent asks for its name", publish(wire.ExchangeHosts, wire.LaterKey("h.1")), 0},
		{agent, "an agent has a later queue of its name", declare(wire.HostQueueGeneration("h.1", 1), nil), 0},
		{agent, "an agent has a later queue of another's name", declare(wire.HostQueueGeneration("h2", 1), nil), denied},
		{agent, "an agent writes to the operator's queue directly", publish("", reply), denied},
		{agent, "an agent reads replies", get(reply), denied},
		{agent, "an agent has copies of replies", bind(wire.InboxQueue("alias.1"), reply, wire.ExchangeReplies), denied},
		{agent, "an agent removes another's queue", remove(host("h2")), denied},
		{agent, "an agent empties another's queue", purge(host("h2")), denied},
		{agent, "an agent hides another from questions", func(ch *amqp.Channel) error { return ch.QueueUnbind(host("h2"), "", wire.ExchangeDiscover, nil) }, denied},
		{agent, "an agent makes an exchange", exchange(create, "warren.mine"), denied},
		{agent, "an agent removes the exchange of replies", exchange(drop, wire.ExchangeReplies), denied},
		{agent, "an agent turns replies aside", reroute(wire.ExchangeReplies, wire.ExchangeReplies, "#"), denied},
		{agent, "an agent uses an exchange of RabbitMQ's", publish("amq.direct", "x"), denied},
		{agent, "an agent makes a stream", stream(wire.FileQueue("alice", "2")), denied},
		{agent, "an agent deletes a stream", remove(file), denied},
		{agent, "an agent writes to a stream", publish(wire.ExchangeHosts, wire.FileKey(file)), denied},
		{agent, "an agent writes to a stream directly", publish("", file), denied},
		{agent, "an agent has copies of content", bind(wire.InboxQueue("alias.1"), wire.FileKey(file), wire.ExchangeHosts), denied},
		{agent, "an agent reads a stream", receive(file), 0},
		{agent, "an agent has its alias", bind(wire.InboxQueue("alias.1"), "", wire.ExchangeDiscover), 0},
		{agent, "an agent whose alias is in use", declare(mine, nil), amqp.ResourceLocked},

		{oneil, "an operator reads another's replies", get(reply), denied},
		{oneil, "an operator consumes another's replies", consume(reply), denied},
		{oneil, "an operator takes another's queue", declare(wire.ReplyQueue("alice", "2"), nil), denied},
		{oneil, "an operator has copies of another's replies", bind(his, reply, wire.ExchangeReplies), denied},
		{oneil, "an operator has copies of all replies", bind(his, "#", wire.ExchangeReplies), denied},
		{oneil, "an operator has copies of one's replies", bind(his, "warren.reply.alice.*", wire.ExchangeReplies), denied},
		{oneil, "an operator sends another's replies to all agents", reroute(wire.ExchangeReplies, wire.ExchangeDiscover, reply), denied},
		{oneil, "an operator hears questions", bind(his, "", wire.ExchangeDiscover), denied},
		{oneil, "an operator replies", publish(wire.ExchangeReplies, reply), denied},
		{oneil, "an operator writes to a queue directly", publish("", host("h.1")), denied},
		{oneil, "an operator has copies of requests", bind(his, wire.HostKey("h.1"), wire.ExchangeHosts), denied},
		{oneil, "an operator makes a name look taken", publish(wire.ExchangeHosts, wire.LaterKey("h.1")), denied},
		{oneil, "an operator sends a request", publish(wire.ExchangeHosts, wire.HostKey("h.1")), 0},
		{oneil, "an operator fills an inbox", publish(wire.ExchangeHosts, wire.InboxKey("h.1")), 0},
		{oneil, "an operator reads requests", get(host("h.1")), denied},
		{oneil, "an operator reads an inbox", get(wire.InboxQueue("h.1")), denied},
		{oneil, "an operator takes a host's name", declare(host("h3"), nil), denied},
		{oneil, "an operator removes an inbox", remove(wire.InboxQueue("h.1")), denied},
		{oneil, "an operator removes the exchange of replies", exchange(drop, wire.ExchangeReplies), denied},
		{oneil, "an operator makes another's stream", stream(wire.FileQueue("alice", "2")), denied},
		{oneil, "an operator deletes another's stream", remove(file), denied},
		{oneil, "an operator writes to another's stream", publish(wire.ExchangeHosts, wire.FileKey(file)), denied},
		{oneil, "an operator writes to another's stream directly", publish("", file), denied},
		{oneil, "an operator reads another's stream", receive(file), denied},
		{oneil, "an operator has copies of another's content", bind(his, wire.FileKey(file), wire.ExchangeHosts), denied},
		{oneil, "an operator has its own replies", bind(his, his, wire.ExchangeReplies), 0},

		{agent, "an agent replies", publish(wire.ExchangeReplies, reply), 0},
	} {
		if got := outcome(c.t, try.who, try.do); got != try.want {
			c.t.Errorf("%s: %d, want %d", try.what, got, try.want)
		}
	}
	// The last of them is what Alice gets, and nobody else's.
	select {
	case d := <-replies:
		if d.UserId != "" || d.RoutingKey != reply {
			c.t.Errorf("Alice got %+v", d)
		}
	case <-time.After(clitest.Patience):
		c.t.Error("the reply has not come")
	}
}

// ignored sends a host a signed request by the ways on which the broker does not check the routing
// keys of an agent's login. The host runs nothing of it.
func (c *confined) ignored(agent *clitest.Process, host string) {
	c.t.Helper()
	login, ran := c.dial("h.1"), filepath.Join(c.temp(), "ran")
	defer login.Close()
	job, body := clitest.Request(c.t, host, "touch "+ran)
	message := func(headers amqp.Table) amqp.Publishing {
		m := clitest.Publishing(job, body)
		m.Headers = headers
		return m
	}
	mine := wire.InboxQueue("alias.1")
	relay := func(ch *amqp.Channel) error {
		return errors.Join(ch.ExchangeDeclare(mine, "fanout", false, false, false, false, nil), ch.ExchangeBind(wire.ExchangeHosts, "", mine, false, nil))
	}
	for what, do := range map[string]func(*amqp.Channel) error{
		"by an exchange of its own": func(ch *amqp.Channel) error {
			return errors.Join(relay(ch), ch.Publish(mine, wire.HostKey(host), false, false, message(nil)), ch.ExchangeDelete(mine, false, false))
		},
		"as a dead letter": func(ch *amqp.Channel) error {
			queue := wire.HostQueueGeneration("alias.1", 2)
			_, err := ch.QueueDeclare(queue, false, false, true, false, amqp.Table{"x-message-ttl": 0, "x-dead-letter-exchange": wire.ExchangeHosts, "x-dead-letter-routing-key": wire.HostKey(host)})
			return errors.Join(err, ch.ExchangeDeclare(mine, "fanout", false, false, false, false, nil), ch.QueueBind(queue, "", mine, false, nil),
				ch.Publish(mine, "", false, false, message(nil)), ch.ExchangeDelete(mine, false, false))
		},
		"by the header BCC": func(ch *amqp.Channel) error { // RabbitMQ 4 refuses it
			return ch.Publish(wire.ExchangeHosts, wire.LaterKey("h.1"), false, false, message(amqp.Table{"BCC": []any{wire.HostKey(host)}}))
		},
	} {
		before := strings.Count(agent.Err.String(), "msg=refused")
		switch got := outcome(c.t, login, do); {
		case got == amqp.AccessRefused && strings.Contains(what, "BCC"):
			continue
		case got != 0:
			c.t.Errorf("%s: %d", what, got)
			continue
		}
		eventually(c.t, func() error {
			if strings.Count(agent.Err.String(), "msg=refused") == before {
				return fmt.Errorf("%s: nothing was refused: %s", what, clip(agent.Err.String()))
			}
			return nil
		})
	}
	if _, err := os.Stat(ran); err == nil {
		c.t.Error("the host ran the command")
	}
	if got := outcome(c.t, c.dial("alice"), func(ch *amqp.Channel) error {
		return ch.Publish(wire.ExchangeHosts, wire.HostKey(host), false, false, message(nil))
	}); got != 0 {
		c.t.Errorf("an operator sends the request: %d", got)
	}
	eventually(c.t, func() error { _, err := os.Stat(ran); return err })
}

// check lets broker-setup look who else is there.
func (c *confined) check() {
	c.t.Helper()
	look := func() (string, string, int) {
		cmd := c.node.Command(c.t.Context(), c.bin+"/warren", "broker-setup", "--check", "--vhost", c.vhost)
		var out, errs clitest.Text
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the status says it
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	if out, errs, status := look(); status != 0 || !strings.Contains(out, "used by Warren only") {
		c.t.Errorf("alone: status %d, %s%s", status, out, errs)
	}
	visitor, err := c.node.AddUser(c.t.Context(), c.vhost, "visitor", "visitor", ".*", ".*", ".*")
	if err != nil {
		c.t.Fatal(err)
	}
	conn, err := amqp.Dial(visitor)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if got := outcome(c.t, conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare("orders", false, false, true, false, nil)
		return err
	}); got != 0 {
		c.t.Fatal(got)
	}
	// Its permissions are narrow, but those for routing keys are missing.
	if _, err := c.node.AddUser(c.t.Context(), c.vhost, "careless", "careless", `^warren\.reply\.careless\..*$`, `^warren\.hosts$`, `^warren\.replies$`); err != nil {
		c.t.Fatal(err)
	}
	out, errs, status := look()
	if status != 1 {
		c.t.Errorf("not alone: status %d, %s", status, errs)
	}
	has(c.t, out, "not Warren's", "orders", "not confined", "visitor", "careless")
}

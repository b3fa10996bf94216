package rabbit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/child"
)

// stopGrace is what a broker gets to stop by itself: it takes 1 to 2 seconds
// when nothing is wrong.
const stopGrace = 5 * time.Second

// A Node is a private broker and its epmd.
type Node struct {
	Port    int    // AMQP, on 127.0.0.1
	TLSPort int    // with TLS, where Config asks for it
	Name    string // the Erlang node name
	Dir     string
	LogFile string // the broker's own log

	ports     ports
	programs  programs
	cookie    string
	env       []string
	cfg       Config
	removeDir bool

	epmd, broker *child.Process // nil where none runs
	output       *os.File       // what the broker prints
}

// Start starts a node and returns once it answers AMQP, which takes about 7
// seconds. When ctx ends earlier, nothing stays behind.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	// Between the choice of a port and its use somebody else may take it; a
	// node that ends by itself gets other ones.
	for tries := 1; ; tries++ {
		n, err := startOnce(ctx, programs, cfg)
		if err == nil || tries == 3 || !errors.Is(err, errPortTaken) {
			return n, err
		}
	}
}

var (
	errPortTaken = errors.New("a port was taken by another program")
	errEnded     = errors.New("the RabbitMQ node ended as it started")
)

func startOnce(ctx context.Context, programs programs, cfg Config) (_ *Node, err error) {
	taken := ports{amqp: cfg.Port}
	if cfg.Join != nil {
		taken.epmd = cfg.Join.ports.epmd
	}
	ports, err := choosePorts(taken)
	if err != nil {
		return nil, fmt.Errorf("cannot start a RabbitMQ node: %w", err)
	}
	dir, removeDir, err := makeDir(cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot start a RabbitMQ node: %w", err)
	}
	name, cookie := "warren@"+host, rand.Text()
	if cfg.Join != nil {
		name, cookie = fmt.Sprintf("warren-%d@%s", ports.amqp, host), cfg.Join.cookie
	}
	n := &Node{
		Port: ports.amqp, TLSPort: ports.tls, Name: name, Dir: dir, LogFile: filepath.Join(dir, logDir, name+".log"),
		ports: ports, programs: programs, cookie: cookie, env: environ(dir, name, ports, cfg.NoBusyWait), cfg: cfg, removeDir: removeDir,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
		}
	}()
	if err := prepare(dir, cookie, ports, cfg); err != nil {
		return nil, fmt.Errorf("cannot prepare %s for a RabbitMQ node: %w", dir, err)
	}
	if err := n.boot(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

func makeDir(cfg Config) (dir string, remove bool, err error) {
	if cfg.Dir == "" {
		dir, err = os.MkdirTemp("", "warren-rabbit-")
		return dir, !cfg.KeepDir, err
	}
	if dir, err = filepath.Abs(cfg.Dir); err != nil {
		return "", false, err
	}
	_, err = os.Stat(dir)
	remove = os.IsNotExist(err) && !cfg.KeepDir
	return dir, remove, os.MkdirAll(dir, 0o700)
}

// boot starts both processes and waits for the broker's AMQP.
func (n *Node) boot(ctx context.Context) error {
	if err := n.startEpmd(ctx); err != nil {
		return err
	}
	output, err := os.OpenFile(filepath.Join(n.Dir, consoleFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	n.output = output
	cmd := exec.Command(n.programs.server)
	cmd.Env = n.env
	cmd.Dir = n.Dir
	cmd.Stdout, cmd.Stderr = output, output
	if n.cfg.Log != nil {
		w := io.MultiWriter(output, n.cfg.Log)
		cmd.Stdout, cmd.Stderr = w, w
	}
	if n.broker, err = child.Start(cmd); err != nil {
		return fmt.Errorf("cannot start %s: %w", n.programs.server, err)
	}
	if err := n.awaitAMQP(ctx); err != nil {
		return err
	}
	return n.enableFlag(ctx)
}

// enableFlag enables the feature flag that the environment names. Members of a cluster
// have the flags of the node that they join.
func (n *Node) enableFlag(ctx context.Context) error {
	flag := os.Getenv(envFlag)
	if flag == "" || n.cfg.Join != nil {
		return nil
	}
	return n.evalOK(ctx, fmt.Sprintf("case rabbit_feature_flags:is_enabled(%[1]s) of true -> ok; false -> rabbit_feature_flags:enable(%[1]s) end.", flag))
}

// startEpmd runs epmd as our child. Left to itself the broker would start one
// as a daemon, which outlives everything.
func (n *Node) startEpmd(ctx context.Context) (err error) {
	if n.cfg.Join != nil || n.epmd != nil && n.epmd.Alive() {
		return nil
	}
	cmd := exec.Command(n.programs.epmd, "-port", fmt.Sprint(n.ports.epmd), "-address", "127.0.0.1")
	cmd.Env = n.env
	cmd.Dir = n.Dir
	if n.epmd, err = child.Start(cmd); err != nil {
		return fmt.Errorf("cannot start %s: %w", n.programs.epmd, err)
	}
	return n.await(ctx, n.epmd, 10*time.Millisecond, func() error {
		conn, err := net.Dial("tcp", address(n.ports.epmd))
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// awaitAMQP waits until a client can log in. A handshake is the true test, and
// a hundred of them cost less than one call of rabbitmqctl.
func (n *Node) awaitAMQP(ctx context.Context) error {
	return n.await(ctx, n.broker, 50*time.Millisecond, func() error {
		conn, err := amqp.DialConfig(n.URL(), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
		if err != nil {
			return err
		}
		return conn.CloseDeadline(time.Now().Add(5 * time.Second))
	})
}

// await calls try until it succeeds, p ends, or ctx does.
func (n *Node) await(ctx context.Context, p *child.Process, every time.Duration, try func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the RabbitMQ node did not answer in time (%w): %w%s", context.Cause(ctx), err, lastWords(n.Dir))
		case <-p.Done():
			return n.explainEnd()
		case <-tick.C:
		}
	}
}

func (n *Node) explainEnd() error {
	words := lastWords(n.Dir)
	// epmd ends at its start for no other reason than its port, and says nothing.
	if n.broker == nil || strings.Contains(words, "eaddrinuse") {
		return fmt.Errorf("the RabbitMQ node ended as it started: %w%s", errPortTaken, words)
	}
	return fmt.Errorf("%w%s", errEnded, words)
}

// lastWords returns what the broker printed about its errors, for a message.
func lastWords(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, consoleFile))
	if err != nil {
		return ""
	}
	const enough = 12 // lines: the first errors name the reason, a long account of the crash follows
	var words []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "[error]") && len(words) < enough {
			words = append(words, strings.TrimRight(line, "\n"))
		}
	}
	if len(words) == 0 {
		words = strings.Split(strings.TrimSpace(string(b)), "\n")
		words = words[max(0, len(words)-enough):]
	}
	return "\n" + strings.Join(words, "\n")
}

// URL is the node's address for clients, with the user that RabbitMQ creates.
func (n *Node) URL() string { return n.vhostURL("/") }

func (n *Node) vhostURL(vhost string) string {
	u := "amqp://guest:guest@" + address(n.Port) + "/"
	if vhost != "/" {
		u += url.PathEscape(vhost)
	}
	return u
}

// PID is the process of the broker; 0 where none runs.
func (n *Node) PID() int {
	if n.broker == nil || !n.broker.Alive() {
		return 0
	}
	return n.broker.PID
}

// Kill ends the broker as a power cut would. Its data stays; see Restart.
func (n *Node) Kill() error {
	if n.broker == nil {
		return nil
	}
	return n.broker.Kill()
}

// Restart starts the broker again after Kill, on the same data and port; one
// that runs is killed first.
//
// A broker that ends as it starts is started once more, as its service does
// (Restart=on-failure): before 4.0.7 and with Khepri, the first start after a kill fails
// if an exclusive queue had bindings (rabbitmq-server issue 13352). It has removed
// the queues by then, so the second start does not fail.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Kill(); err != nil {
		return err
	}
	n.closeOutput()
	err := n.boot(ctx)
	if errors.Is(err, errEnded) {
		n.closeOutput()
		err = n.boot(ctx)
	}
	return err
}

// Stop ends the broker, within seconds, and then epmd, and removes the
// directory unless it is to be kept.
func (n *Node) Stop() error {
	var errs []error
	if n.broker != nil {
		errs = append(errs, n.broker.Stop(stopGrace))
	}
	if n.epmd != nil {
		errs = append(errs, n.epmd.Kill()) // it has nothing to save
	}
	n.closeOutput()
	if n.removeDir {
		errs = append(errs, os.RemoveAll(n.Dir))
	}
	return errors.Join(errs...)
}

func (n *Node) closeOutput() {
	if n.output != nil {
		n.output.Close()
		n.output = nil
	}
}

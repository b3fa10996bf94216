//go:build unix

package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"warren/internal/agent/process"
)

// An order is a request of a test to a server: first a command, and later on the same
// connection the request to end it.
type order struct {
	Argv           []string
	User           string
	Mark           string
	Timeout, Grace time.Duration
	KillLeftovers  bool

	Cancel, Leave bool
}

// An answer of a server is the identity of the leader, or the result.
type answer struct {
	Started        process.Identity
	Result         *process.Result // without its errors
	Err, StopError string
}

// serve runs commands as an agent does, and adopts their orphans, until it is killed.
func serve(link net.Conn, address string) {
	go func() { _ = process.Reap(context.Background()) }()
	listener, err := net.Listen("unix", address)
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(address, 0o777); err != nil {
		panic(err)
	}
	tell(link, "serving")
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go serveOrder(conn)
	}
}

func serveOrder(conn net.Conn) {
	defer conn.Close()
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	var o order
	if in.Decode(&o) != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	leave := make(chan struct{})
	go func() {
		for {
			var o order
			switch {
			case in.Decode(&o) != nil:
				return
			case o.Cancel:
				cancel()
			case o.Leave:
				close(leave)
			}
		}
	}()
	u, err := process.LookupUser(o.User)
	if err != nil {
		panic(err)
	}
	s := process.Spec{
		Argv: o.Argv, Env: process.Environment("/", "", ""), Dir: "/", User: u, MaxOutput: 1 << 16,
		Timeout: o.Timeout, Grace: o.Grace, KillLeftovers: o.KillLeftovers, Mark: o.Mark, Leave: leave,
	}
	r := process.Run(ctx, s, func(id process.Identity) { _ = out.Encode(answer{Started: id}) }, nil)
	a := answer{Result: &r}
	a.Err, a.StopError = textOf(r.Err), textOf(r.StopError)
	r.Err, r.StopError = nil, nil
	_ = out.Encode(a)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A server is a child process that runs serve.
type server struct {
	t       *testing.T
	address string
	cmd     *exec.Cmd
}

// serverOf starts a server. words come before serve, and env is added to its
// environment.
func (f *family) serverOf(program string, env []string, words ...string) *server {
	f.t.Helper()
	address := f.listener.Addr().String() + "." + f.t.Name()[len(f.t.Name())-1:]
	s := f.spec(append(words, "serve="+address)...)
	cmd := exec.Command(program, s.Argv[1:]...)
	cmd.Env = append(s.Env, env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	f.up("serving")
	return &server{f.t, address, cmd}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// A running command of a server.
type ordered struct {
	conn net.Conn
	in   *json.Decoder
}

func (s *server) order(o order) (*ordered, error) {
	conn, err := net.Dial("unix", s.address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return &ordered{conn, json.NewDecoder(conn)}, json.NewEncoder(conn).Encode(o)
}

func (o *ordered) send(more order) error { return json.NewEncoder(o.conn).Encode(more) }

// started is the leader's identity.
func (o *ordered) started() (process.Identity, error) {
	var a answer
	err := o.in.Decode(&a)
	if err == nil && a.Result != nil {
		err = errors.New("it has ended at once")
	}
	return a.Started, err
}

// result waits for the end.
func (o *ordered) result() (answer, error) {
	defer o.conn.Close()
	for {
		var a answer
		if err := o.in.Decode(&a); err != nil || a.Result != nil {
			return a, err
		}
	}
}

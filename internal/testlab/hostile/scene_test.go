package hostile

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hiddeco/sshsig"
	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/crypto/ssh"

	"warren/executor"
	"warren/executor/filejob"
	"warren/internal/agent/trust"
	"warren/internal/agent/uptime"
	"warren/internal/broker"
	"warren/internal/broker/dial"
	"warren/internal/testlab/rabbit/rabbittest"
	"warren/internal/wire"
)

func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{filejob.HelperCommand}) { // the process of a push
		os.Exit(filejob.Helper(os.Stdin, os.Stdout, os.Stderr))
	}
	rabbittest.Main(m)
}

const (
	fleet     = "production"
	hostName  = "hostile-a"
	aliasName = "hostile-b"
	patience  = 2 * time.Minute
)

// A scene is an agent whose operators are alice, who may do anything, bob, who
// is confined, carol, who is neither's friend, and dave, who may do more; and all that one needs who
// may publish to its broker.
type scene struct {
	t       *testing.T
	dir     string // what is executed touches a file here
	dataDir string
	clock   *clock
	log     *logbook
	ch      *amqp.Channel
	replies <-chan amqp.Delivery
	replyTo string
	over    string // a job whose replies are of no interest any more

	alice, bob, carol, dave, mallory, ca, revoked, expired ssh.Signer
}

// clock is the agent's, and that of all who sign here.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead).Truncate(time.Millisecond)
}

// uptime goes with the clock: time that has passed, not a clock that was set.
func (c *clock) uptime() uptime.Reading {
	up := uptime.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	up.Up += c.ahead
	return up
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// logbook keeps what the agent refuses, and why.
type logbook struct {
	slog.Handler
	mu      sync.Mutex
	reasons []string
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Message == "refused" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "reason" {
				b.reasons = append(b.reasons, a.Value.String())
			}
			return true
		})
	}
	return nil
}

func (b *logbook) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	reasons := b.reasons
	b.reasons = nil
	return reasons
}

func newKey(t *testing.T) ssh.Signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newScene(t *testing.T, edit func(*executor.Config)) *scene {
	s := &scene{
		t: t, dir: t.TempDir(), dataDir: t.TempDir(), log: &logbook{Handler: slog.DiscardHandler},
		clock: &clock{},
	}
	for _, k := range []*ssh.Signer{&s.alice, &s.bob, &s.carol, &s.dave, &s.mallory, &s.ca, &s.revoked, &s.expired} {
		*k = newKey(t)
	}
	line := func(options string, k ssh.Signer, name string) string {
		return strings.TrimLeft(options+" ", " ") + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) + " " + name + "\n"
	}
	operators, revoked := filepath.Join(t.TempDir(), "authorized_operators"), filepath.Join(t.TempDir(), "revoked_operators")
	s.write(operators, line("", s.alice, "alice")+
		line(`permit-command="echo( [a-z]+)?"`, s.bob, "bob")+
		line("", s.carol, "carol")+
		line(`any-job,run-as="*"`, s.dave, "dave")+
		line("", s.revoked, "revoked")+
		line(`expiry-time="20200101Z"`, s.expired, "expired")+
		line(`cert-authority,principals="sre"`, s.ca, "our CA"))
	s.write(revoked, ssh.FingerprintSHA256(s.revoked.PublicKey())+"\n")
	log := slog.New(s.log)
	files, err := trust.Open(operators, revoked, false, log)
	s.check(err)
	url := rabbittest.Vhost(t)
	cfg := executor.Config{
		ID: hostName, Fleet: fleet, Aliases: []string{aliasName}, DataDir: s.dataDir, Trust: files, Log: log, Now: s.clock.Now, Uptime: s.clock.uptime,
		Limits: executor.Limits{Tolerance: time.Second}, Broker: broker.Options{Dial: dial.Options{URLs: []string{url}}},
	}
	if edit != nil {
		edit(&cfg)
	}
	agent, err := executor.New(cfg)
	s.check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for state := agent.Link(); state.Phase != broker.Up; state = state.Next() {
		<-state.Changed()
	}
	s.listen(url)
	s.clock.advance(3 * time.Hour) // an agent that is not new
	return s
}

func (s *scene) listen(url string) {
	conn, err := amqp.Dial(url)
	s.check(err)
	s.t.Cleanup(func() { s.check(conn.Close()) })
	s.ch, err = conn.Channel()
	s.check(err)
	s.replyTo = wire.ReplyQueue("alice", "0123456789abcdef")
	_, err = s.ch.QueueDeclare(s.replyTo, false, false, true, false, nil)
	s.check(err)
	s.check(s.ch.QueueBind(s.replyTo, s.replyTo, wire.ExchangeReplies, false, nil))
	s.replies, err = s.ch.Consume(s.replyTo, "", true, true, false, false, nil)
	s.check(err)
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) write(path, text string) {
	s.t.Helper()
	s.check(os.WriteFile(path, []byte(text), 0o600))
}

// A forgery is a request on its way to be made. What is left alone is as an
// honest operator makes it.
type forgery struct {
	*scene
	st        wire.Statement
	leaf      wire.Leaf
	by        ssh.Signer // nil: unsigned
	namespace string
	secret    string

	statement func(string) string // changes its text before it is signed, or
	tampered  func(string) string //   after
	leafText  func(string) string // before the root is made
	swapped   func(string) string //   after
	path      [][]byte
	signature func(string) string
	body      func([]byte) []byte
	msg       func(*amqp.Publishing)
	queue     string
}

// forge begins with alice's own request.
func (s *scene) forge(typ string) *forgery {
	now := s.clock.Now()
	f := &forgery{
		scene: s, by: s.alice, namespace: wire.Namespace(fleet), path: [][]byte{}, queue: wire.HostQueue(hostName),
		leaf: wire.Leaf{Job: uuid.NewString(), Host: hostName},
		st: wire.Statement{
			Type: typ, Task: uuid.NewString(), ReplyTo: s.replyTo, Size: 1,
			IssuedAt: now.UnixMilli(), NotAfter: now.Add(time.Minute).UnixMilli(),
		},
	}
	switch typ {
	case wire.TypeRun, wire.TypeCheck:
		f.st.Run = &wire.Run{Command: "touch " + filepath.Join(s.dir, f.leaf.Job), TimeoutMS: 10_000, MaxOutput: 1 << 10}
	case wire.TypeCancel, wire.TypeStatus:
		f.st.Of = &wire.Target{IssuedAt: f.st.IssuedAt, NotAfter: f.st.NotAfter}
	}
	return f
}

func change(f func(string) string, text string) string {
	if f == nil {
		return text
	}
	return f(text)
}

// sign makes the member signature, whatever the text is.
func (f *forgery) sign(text string) string {
	if f.by == nil {
		return ""
	}
	sig, err := sshsig.Sign(strings.NewReader(text), f.by, sshsig.HashSHA512, f.namespace)
	f.check(err)
	return base64.StdEncoding.EncodeToString(sig.Marshal())
}

// make builds the message.
func (f *forgery) make() amqp.Publishing {
	members := []any{"v", 1}
	leaf := ""
	if f.st.Type != wire.TypeDiscover {
		text, err := json.Marshal(f.leaf)
		f.check(err)
		leaf = change(f.leafText, string(text))
		root := sha256.Sum256([]byte("\x00" + leaf))
		f.st.Root = root[:]
	} else {
		f.st.Size = 0
	}
	text, err := json.Marshal(f.st)
	f.check(err)
	signed := change(f.statement, string(text))
	members = append(members, "statement", change(f.tampered, signed), "signature", change(f.signature, f.sign(signed)))
	if f.secret != "" {
		members = append(members, "secret", f.secret)
	}
	if leaf != "" {
		members = append(members, "leaf", change(f.swapped, leaf), "path", f.path)
	}
	body := object(members)
	if f.body != nil {
		body = f.body(body)
	}
	msg := amqp.Publishing{Type: f.st.Type, CorrelationId: f.correlation(), ReplyTo: f.st.ReplyTo, AppId: wire.AppID, ContentType: wire.ContentJSON, Body: body}
	if f.msg != nil {
		f.msg(&msg)
	}
	return msg
}

func (f *forgery) correlation() string {
	if f.st.Type == wire.TypeDiscover {
		return f.st.Task
	}
	return f.leaf.Job
}

// object is a JSON object with its members in this order.
func object(members []any) []byte {
	b := []byte("{")
	for i := 0; i < len(members); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(members[i])
		value, _ := json.Marshal(members[i+1])
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}')
}

func (s *scene) publish(queue string, msg amqp.Publishing) {
	s.t.Helper()
	exchange, key := "", queue
	if host, ok := strings.CutPrefix(queue, wire.HostQueue("")); ok {
		exchange, key = wire.ExchangeHosts, wire.HostKey(host)
	} else if id, ok := strings.CutPrefix(queue, wire.InboxQueue("")); ok {
		exchange, key = wire.ExchangeHosts, wire.InboxKey(id)
	} else if msg.Type == wire.TypeDiscover && queue == "" {
		exchange = wire.ExchangeDiscover
	}
	s.check(s.ch.Publish(exchange, key, false, false, msg))
}

// reply waits for the next one.
func (s *scene) reply() any {
	s.t.Helper()
	for {
		select {
		case d := <-s.replies:
			v, err := wire.DecodeReply(d.Type, d.Body, d.Headers, d.CorrelationId)
			s.check(err)
			if d.CorrelationId != s.over {
				return v
			}
		case <-time.After(patience):
			s.t.Fatal("no reply")
			return nil
		}
	}
}

// judged gives what has become of a message: the host's reasons, and the
// replies. The question behind it, which is honest, has been answered by then.
func (s *scene) judged(queue string, msg amqp.Publishing, awaited bool) (reasons []string, replies []any) {
	s.t.Helper()
	s.log.take()
	s.publish(queue, msg)
	marker := s.forge(wire.TypeStatus)
	if queue == wire.HostQueue(aliasName) {
		marker.queue, marker.leaf.Host = queue, aliasName
	}
	s.publish(marker.queue, marker.make())
	asked := false
	for !asked || awaited && len(replies) == 0 {
		v := s.reply()
		if st, ok := v.(*wire.State); ok && st.Job == marker.leaf.Job {
			asked = true
			continue
		}
		if said(v) != progress {
			replies = append(replies, v)
		}
	}
	return s.log.take(), replies
}

// progress is what is said on the way to an end, by which time it may have come
// or not.
const progress = "accepted, started or output"

// said is a reply in one line: its type, outcome and reason.
func said(v any) string {
	switch r := v.(type) {
	case *wire.Ended:
		return string(r.Outcome) + ": " + r.Reason
	case *wire.Checked:
		if r.WouldRun {
			return "would run"
		}
		return "would not run: " + r.Reason
	case *wire.Granted:
		return "granted: " + r.State
	case *wire.State:
		return "state " + r.State
	case *wire.Hello:
		return "hello"
	}
	return progress
}

// touched are the files that commands have made.
func (s *scene) touched() (names []string) {
	entries, err := os.ReadDir(s.dir)
	s.check(err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

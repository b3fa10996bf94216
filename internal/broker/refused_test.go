package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"pgregory.net/rapid"

	"warren/internal/testlab/rabbit/rabbittest"
)

// maxMessageSize sets the broker's, for channels that are opened from now on.
func maxMessageSize(t *testing.T, bytes int) {
	t.Helper()
	set := func(ctx context.Context, bytes int) {
		expr := fmt.Sprintf("ok = application:set_env(rabbit, max_message_size, %d), persistent_term:put(max_message_size, %[1]d).", bytes)
		if _, err := rabbittest.Node(t).Eval(ctx, expr); err != nil {
			t.Fatal(err)
		}
	}
	set(t.Context(), bytes)
	t.Cleanup(func() { set(context.Background(), 128<<20) })
}

func body(size int) amqp.Publishing { return amqp.Publishing{Body: make([]byte, size)} }

// insist publishes each publication until its verdict is final, and returns the
// verdicts by Ref and how many were in doubt.
func insist(t *testing.T, p *Publisher, pubs []Publication) (final []Verdict, doubts int) {
	t.Helper()
	answers := make(chan Verdict, len(pubs))
	final = make([]Verdict, len(pubs))
	left := make([]int, len(pubs))
	for i := range left {
		left[i] = i
	}
	for open := len(pubs); open > 0; {
		var in chan<- *Publication
		var next *Publication
		if len(left) > 0 {
			pub := pubs[left[0]]
			pub.Ref, pub.Answer = uint64(left[0]), answers
			in, next = p.In(), &pub
		}
		select {
		case in <- next:
			left = left[1:]
		case v := <-answers:
			if v.Kind == Unconfirmed {
				doubts++
				left = append(left, int(v.Ref)) //nolint:makezero // it starts full
				continue
			}
			final[v.Ref] = v
			open--
		case <-t.Context().Done():
			t.Fatal("not all have a verdict")
		}
	}
	return final, doubts
}

// A publication that the broker refuses is known at once to have reached no queue,
// and costs neither the others nor the connection anything.
func TestTooLargePublicationIsRefusedAlone(t *testing.T) {
	u := rabbittest.URL(t)
	open := queue(t, u, "refused", 0)
	maxMessageSize(t, 100<<10)
	c := connect(t, u)
	p := NewPublisher(0)
	start(t, func(ctx context.Context) error { return p.Serve(ctx, &Session{Conn: c}) })
	var pubs []Publication
	for i := range 200 {
		pub := Publication{Key: open, Mandatory: true, Msg: body(100)}
		if i%50 == 25 {
			pub.Msg = body(200 << 10)
		}
		pubs = append(pubs, pub)
	}
	final, doubts := insist(t, p, pubs)
	for i, v := range final {
		want := Routed
		if i%50 == 25 {
			want = Refused
		}
		if v.Kind != want || want == Refused && !strings.Contains(v.Reason, "larger than") {
			t.Errorf("publication %d: %+v", i, v)
		}
	}
	if doubts > 0 {
		t.Errorf("%d publications were in doubt", doubts)
	}
	if c.IsClosed() {
		t.Error("the connection is closed")
	}
}

// Where several are under way the one that is refused is found by sending again, fewer
// at a time.
func TestRefusedPublicationIsFoundAmongMany(t *testing.T) {
	u := rabbittest.URL(t)
	open := queue(t, u, "among", 0)
	maxMessageSize(t, 1000)
	p := NewPublisher(0)
	serve(t, p, u)
	var pubs []Publication
	for i := range 500 {
		pub := Publication{Key: open, Mandatory: true, Msg: body(100)}
		if i == 333 || i == 350 {
			pub.Msg = body(2000) // too little to go alone
		}
		pubs = append(pubs, pub)
	}
	final, doubts := insist(t, p, pubs)
	for i, v := range final {
		if want := map[bool]Kind{true: Refused, false: Routed}[i == 333 || i == 350]; v.Kind != want {
			t.Errorf("publication %d: %+v, want %v", i, v, want)
		}
	}
	t.Logf("%d were in doubt", doubts)
}

// Who may not write learns it for each publication.
func TestPublicationWithoutPermissionIsRefused(t *testing.T) {
	node := rabbittest.Node(t)
	rabbittest.Vhost(t)
	u, err := node.AddUser(t.Context(), t.Name(), "reader", "pw", "", "^$", ".*")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(0)
	serve(t, p, u)
	final, doubts := insist(t, p, make([]Publication, 20))
	for i, v := range final {
		if v.Kind != Refused || !strings.Contains(v.Reason, "ACCESS_REFUSED") {
			t.Errorf("publication %d: %+v", i, v)
		}
	}
	if doubts > 0 {
		t.Errorf("%d publications were in doubt", doubts)
	}
}

// The broker vouches for the user id of a publication. If the broker knows the login under
// another name, as with tokens, publications have no user id.
func TestVouched(t *testing.T) {
	for user, want := range map[string]string{"guest": "guest", "": "", "somebody": ""} {
		conn := connect(t, rabbittest.URL(t))
		ch, queue := ownQueue(t, conn)
		p := NewPublisher(0)
		stop := start(t, func(ctx context.Context) error { return p.Serve(ctx, &Session{Conn: conn, User: user}) })
		for range 2 {
			if final, _ := insist(t, p, []Publication{{Key: queue, Vouched: true}}); final[0].Kind != Routed {
				t.Errorf("as %q: %+v", user, final[0])
			}
			d, ok, err := ch.Get(queue, true)
			if err != nil || !ok || d.UserId != want {
				t.Errorf("as %q: %v, %v, sent by %q, want %q", user, ok, err, d.UserId, want)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// However many are in flight when the broker refuses one, fewer and fewer are, down
// to one, and as many as ever once the broker accepts them.
func TestSendWindowGoesDownToOneAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newSendWindow(rapid.IntRange(1, 2000).Draw(t, "window"))
		for range 20 {
			c.refused(rapid.IntRange(1, c.limit).Draw(t, "in flight"))
			if c.limit < 1 || c.limit > c.size {
				t.Fatalf("%d may be in flight", c.limit)
			}
		}
		if c.limit != 1 {
			t.Fatalf("after 20 refusals %d may be in flight", c.limit)
		}
		for range c.size {
			c.accepted("", 1)
		}
		if c.limit != c.size {
			t.Fatalf("%d of %d may be in flight", c.limit, c.size)
		}
	})
}

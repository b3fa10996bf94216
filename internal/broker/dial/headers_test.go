package dial

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"warren/internal/testlab/rabbit/rabbittest"
)

// nested returns a table of so many levels.
func nested(levels int) amqp.Table {
	t := amqp.Table{}
	for range levels - 1 {
		t = amqp.Table{"t": t}
	}
	return t
}

func many(entries int) amqp.Table {
	t := amqp.Table{}
	for i := range entries {
		t[fmt.Sprint(i)] = nil
	}
	return t
}

// A patched connection writes other bytes instead of some.
type patched struct {
	net.Conn
	from, to string
}

func (p patched) Write(b []byte) (int, error) {
	_, err := p.Conn.Write(bytes.ReplaceAll(b, []byte(p.from), []byte(p.to)))
	return len(b), err
}

// RabbitMQ passes headers on for which the library ends the connection.
func TestHeadersThatTheLibraryRefuses(t *testing.T) {
	u := rabbittest.URL(t)
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	for name, headers := range map[string]amqp.Table{
		"nested":       nested(40),
		"many":         many(9000),
		"list":         {"list": []any{int64(1)}},
		"unknown type": {"unknown": int64(1)},
	} {
		t.Run(name, func(t *testing.T) {
			tcp, err := net.Dial("tcp", parsed.Host)
			if err != nil {
				t.Fatal(err)
			}
			password, _ := parsed.User.Password()
			stranger, err := amqp.Open(patched{tcp, "unknownl", "unknownL"}, amqp.Config{
				Vhost: "/", SASL: []amqp.Authentication{&amqp.PlainAuth{Username: parsed.User.Username(), Password: password}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			from, err := stranger.Channel()
			if err != nil {
				t.Fatal(err)
			}
			eps, err := Endpoints(Options{URLs: []string{u}})
			if err != nil {
				t.Fatal(err)
			}
			c, err := Dial(t.Context(), &eps[0], Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(10 * time.Second)
			to, err := c.AMQP.Channel()
			if err != nil {
				t.Fatal(err)
			}
			q, err := to.QueueDeclare("", false, true, true, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := to.Consume(q.Name, "", true, true, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []amqp.Publishing{
				{Type: "strange", ContentType: "text", Headers: headers, CorrelationId: "1", Body: []byte("strange")},
				{Type: "good", ContentType: "text", ContentEncoding: "none", Headers: amqp.Table{"have": int64(7)}, Body: []byte("good")},
			} {
				if err := from.PublishWithContext(t.Context(), "", q.Name, false, false, m); err != nil {
					t.Fatal(err)
				}
			}
			d, ok := <-got
			if !ok || string(d.Body) != "strange" || d.Type != "" || d.CorrelationId != "" || d.ContentType != "" || len(d.Headers) > 0 {
				t.Fatalf("the strange message came as %v %q %v %q", ok, d.Type, d.Headers, d.Body)
			}
			d, ok = <-got
			if !ok || string(d.Body) != "good" || d.Type != "good" || d.ContentEncoding != "none" || d.Headers["have"] != int64(7) {
				t.Fatalf("the message after it came as %v %q %v %q", ok, d.Type, d.Headers, d.Body)
			}
		})
	}
}

// A reader is a connection that is only read from.
type reader struct {
	net.Conn
	io.Reader
}

func (r reader) Read(p []byte) (int, error) { return r.Reader.Read(p) }

func frame(kind byte, payload string) string {
	head := []byte{kind, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[3:], uint32(len(payload)))
	return string(head) + payload + "\xCE"
}

const (
	contentHead = "\x00\x3C\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04"
	bare        = contentHead + "\x00\x00"
)

// properties returns the payload of a header frame with a content type and a table.
func properties(table string) string {
	size := binary.BigEndian.AppendUint32(nil, uint32(len(table)))
	return contentHead + "\xA0\x00\x04text" + string(size) + table
}

func TestPlainHeaders(t *testing.T) {
	plainTable := "\x01aV\x01bt\x01\x01cs\x00\x01\x01dI\x00\x00\x00\x01\x01eD\x00\x00\x00\x00\x01\x01fl\x00\x00\x00\x00\x00\x00\x00\x01\x01gS\x00\x00\x00\x03xyz"
	for _, r := range []struct {
		name, payload string
		kept          bool
	}{
		{"no properties", bare, true},
		{"content type only", contentHead + "\x80\x00\x04text", true},
		{"no headers", properties(""), true},
		{"numbers and texts", properties(plainTable), true},
		{"a text of 3 KiB", properties("\x01aS\x00\x00\x0C\x00" + strings.Repeat("x", 3<<10)), true},
		{"a text of 4 KiB", properties("\x01aS\x00\x00\x10\x00" + strings.Repeat("x", 4<<10)), false},
		{"a text of 100 KiB", properties("\x01aS\x00\x01\x90\x00" + strings.Repeat("x", 100<<10)), false},
		{"a table", properties("\x01aF\x00\x00\x00\x00"), false},
		{"a list", properties("\x01aA\x00\x00\x00\x00"), false},
		{"an unknown type", properties(plainTable + "\x01aL\x00\x00\x00\x00\x00\x00\x00\x01"), false},
		{"a number that is cut", properties("\x01al\x00\x00\x00\x00"), false},
		{"a text that is cut", properties("\x01aS\x00\x00\x00\x09xyz"), false},
		{"a text without a length", properties("\x01aS\x00\x00"), false},
		{"a name that is cut", properties("\x09a"), false},
		{"a name without a type", properties("\x01a"), false},
		{"a table that is cut", contentHead + "\x20\x00\x00\x00\x00\x09\x01aV", false},
		{"a table without a length", contentHead + "\x20\x00\x00\x00", false},
		{"a content type that is cut", contentHead + "\x80\x00\x09text", false},
		{"no content type", contentHead + "\x80\x00", false},
	} {
		t.Run(r.name, func(t *testing.T) {
			before, after := frame(1, "method"), frame(3, "body")+frame(8, "")
			want := before + frame(2, r.payload) + after
			if !r.kept {
				want = before + frame(2, bare) + after
			}
			sent := before + frame(2, r.payload) + after
			for name, in := range map[string]io.Reader{
				"at once": strings.NewReader(sent), "byte by byte": iotest.OneByteReader(strings.NewReader(sent)),
				"with its end": iotest.DataErrReader(strings.NewReader(sent)),
			} {
				got, err := io.ReadAll(newPlainHeaders(reader{Reader: in}))
				if err != nil || string(got) != want {
					t.Errorf("%s: read %.200q, %v, want %.200q", name, got, err, want)
				}
			}
		})
	}
}

// What is no frame, or only a part of one, goes on as it is: the library reports it.
func TestPlainHeadersOfNoFrame(t *testing.T) {
	for _, sent := range []string{"AMQP\x00\x00\x09\x01", frame(2, contentHead), frame(2, bare)[:18] + "\xFF\xFF", frame(2, strings.Repeat("x", frameSize+1))} {
		got, err := io.ReadAll(newPlainHeaders(reader{Reader: strings.NewReader(sent)}))
		if err != nil || !strings.HasPrefix(sent, string(got)) {
			t.Errorf("read %.60q, %v of %.60q", got, err, sent)
		}
	}
}

func FuzzPlainHeaders(f *testing.F) {
	f.Add([]byte(properties("\x01aV\x01bS\x00\x00\x00\x03xyz")))
	f.Add([]byte(properties("\x01aF\x00\x00\x00\x00")))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) < len(bare) || len(payload) > frameSize {
			return
		}
		before, after := frame(1, "method"), frame(3, "body")
		sent := before + frame(2, string(payload)) + after
		got, err := io.ReadAll(newPlainHeaders(reader{Reader: strings.NewReader(sent)}))
		stripped := before + frame(2, string(payload[:headerHead])+"\x00\x00") + after
		if err != nil || string(got) != sent && string(got) != stripped {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

package broker

import (
	"errors"
	"strings"
	"testing"
)

func TestEndpointsHideThePassword(t *testing.T) {
	eps, err := endpoints([]string{" amqp://anna:s%40cret@b.example/prod ", "amqps://[::1]:1234"})
	if err != nil {
		t.Fatal(err)
	}
	if got := eps[0].redacted; got != "amqp://anna@b.example:5672/prod" {
		t.Errorf("shown as %s", got)
	}
	if eps[0].uri.Password != "s@cret" || eps[0].addr != "b.example:5672" {
		t.Errorf("read as %+v", eps[0])
	}
	if got := eps[1].redacted; got != "amqps://guest@[::1]:1234/" {
		t.Errorf("shown as %s", got)
	}
}

func TestBadURLs(t *testing.T) {
	for _, raw := range []string{
		"", "web01:5672", "http://web01/", "amqp://web01:port/",
		// What is meant in all of these is the password.
		"amqp://anna:hush/hush@host/", "amqp://anna:77/hush@host/", "amqp://anna:77#hush@host/",
		"amqp://anna:77?hush@host/", "amqp://anna:hush%@host/", "amqp://anna:hu sh@host/", "amqp://an\x7fna:hush@host",
	} {
		_, err := NewLink(Options{URLs: []string{"amqp://good", raw}})
		if !errors.Is(err, ErrBadURL) {
			t.Errorf("%q gives %v", raw, err)
			continue
		}
		if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "77") {
			t.Errorf("the error tells the password: %v", err)
		}
		if !strings.Contains(err.Error(), "number 2") || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("the error does not help: %v", err)
		}
	}
	if _, err := NewLink(Options{}); !errors.Is(err, ErrBadURL) {
		t.Errorf("no URL gives %v", err)
	}
}

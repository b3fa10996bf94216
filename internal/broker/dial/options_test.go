package dial

import (
	"errors"
	"strings"
	"testing"

	"warren/internal/hint"
	"warren/internal/testlab/rabbit/rabbittest"
)

func TestEndpointsHidePassword(t *testing.T) {
	eps, err := Endpoints(Options{URLs: []string{" amqp://anna:s%40cret@b.example/prod ", "amqps://[::1]:1234"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := eps[0].URL(); got != "amqp://anna@b.example:5672/prod" {
		t.Errorf("shown as %s", got)
	}
	if eps[0].uri.Password != "s@cret" || eps[0].addr != "b.example:5672" {
		t.Errorf("read as %+v", eps[0])
	}
	if got := eps[1].URL(); got != "amqps://guest@[::1]:1234/" {
		t.Errorf("shown as %s", got)
	}
}

func TestBadURLs(t *testing.T) {
	for _, raw := range []string{
		"", "web01:5672", "http://web01/", "amqp://web01:port/",
		// In all of these, the text between the user and "@host" is the password.
		"amqp://anna:hush/hush@host/", "amqp://anna:77/hush@host/", "amqp://anna:77#hush@host/",
		"amqp://anna:77?hush@host/", "amqp://anna:hush%@host/", "amqp://anna:hu sh@host/", "amqp://an\x7fna:hush@host",
	} {
		_, err := Endpoints(Options{URLs: []string{"amqp://good", raw}})
		if !errors.Is(err, ErrBadURL) {
			t.Errorf("%q gives %v", raw, err)
			continue
		}
		if strings.Contains(hint.Text(err), "hush") || strings.Contains(hint.Text(err), "77") {
			t.Errorf("the error contains the password: %v", err)
		}
		if !strings.Contains(err.Error(), "number 2") || hint.First(err) == "" {
			t.Errorf("the error does not help: %v", err)
		}
	}
	// One URL whose password has a comma, of which a list makes two.
	for _, url := range []string{"amqp://anna:hush,hush@host/", "amqp://anna:77,hush@host/", "amqp://good,amqp://anna:hush,77@host/v"} {
		_, err := Endpoints(Options{URLs: strings.Split(url, ",")})
		if !errors.Is(err, ErrBadURL) || !strings.HasPrefix(hint.First(err), "a comma divides URLs") || !strings.Contains(hint.First(err), "%2C") ||
			strings.Contains(hint.Text(err), "hush") || strings.Contains(hint.Text(err), "77") {
			t.Errorf("%q gives %v", url, err)
		}
	}
	if _, err := Endpoints(Options{}); !errors.Is(err, ErrBadURL) {
		t.Errorf("no URL gives %v", err)
	}
}

func TestWarnings(t *testing.T) {
	unencrypted := "in the clear"
	ps := "in the arguments"
	vhost := `virtual host "/"`
	for _, c := range []struct {
		url   string
		login Login
		args  []string
		want  []string
	}{
		{"amqp://guest:guest@127.0.0.1:5672/", Login{}, []string{"--broker", "amqp://guest:guest@127.0.0.1:5672/"}, nil},
		{"amqp://anna:hush@localhost/", Login{}, []string{"run", "curl http://anna:hush@localhost/"}, nil},
		{"amqp://anna:hush@[::1]/", Login{}, []string{"tasks", "--broker=amqp://x,amqp://anna:hush@[::1]/"}, []string{ps}},
		{"amqp://anna@[::1]/", Login{}, []string{"--broker=amqp://anna@[::1]/"}, nil},
		{"amqp://anna:hush@b.example/warren", Login{}, nil, []string{unencrypted}},
		{"amqp://anna:hush@10.0.0.1", Login{}, nil, []string{unencrypted, vhost}},
		{"amqp://anna@b.example/warren", Login{Password: "hush"}, nil, []string{unencrypted}},
		{"amqps://anna:hush@b.example/warren", Login{}, nil, nil},
		{"amqps://anna:hush@b.example", Login{}, nil, []string{vhost}},
		{"amqps://b.example/%2F", Login{Cert: "c"}, nil, []string{vhost}},
		{"amqps://anna:hu sh@b.example/", Login{}, nil, nil}, // an error, elsewhere
	} {
		got := Options{URLs: []string{c.url, c.url}, Login: c.login}.Warnings(c.args)
		if len(got) != len(c.want) {
			t.Errorf("%s gives %q, want %q", c.url, got, c.want)
			continue
		}
		for i, w := range got {
			if !strings.Contains(w.Text, c.want[i]) || w.Hint == "" || strings.Contains(w.Text+w.Hint, "hush") {
				t.Errorf("%s gives %q, want %q", c.url, w, c.want[i])
			}
		}
	}
}

func TestURLHidesPassword(t *testing.T) {
	for raw, want := range map[string]string{
		"amqp://anna:hush@b.example/warren":                   "amqp://anna@b.example:5672/warren",
		"amqps://anna:hush@b.example/w?cacertfile=/etc/a.pem": "amqps://anna@b.example:5671/w",
	} {
		eps, err := Endpoints(Options{URLs: []string{raw}})
		if err != nil {
			t.Fatal(err)
		}
		if got := eps[0].URL(); got != want {
			t.Errorf("%s is shown as %s", raw, got)
		}
	}
}

// The name by which the broker knows an operator decides which reply queues it
// may have.
func TestUserOfLogin(t *testing.T) {
	a, err := rabbittest.NewAuthority(t.TempDir(), "authority")
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := a.Issue(rabbittest.Certificate{Name: "anna.k"})
	if err != nil {
		t.Fatal(err)
	}
	nameless, _, err := a.Issue(rabbittest.Certificate{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		cert string
		want string
	}{
		{"amqp://localhost", "", "guest"},
		{"amqp://otto%40corp:hush@localhost", "", "otto@corp"},
		{"amqps://localhost", cert, "anna.k"},
		{"amqps://localhost/?certfile=" + cert, "", "anna.k"},
		{"amqps://otto@localhost", cert, "otto"},
		{"amqps://O=Example@localhost/?auth_mechanism=EXTERNAL", cert, "O=Example"},
	} {
		got, err := Options{URLs: []string{c.url}, Login: Login{Cert: c.cert}}.User()
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.url, got, err, c.want)
		}
	}
	// Several brokers, one user: a certificate's and a password's can be the same.
	several := Options{URLs: []string{"amqps://a", "amqps://anna.k:hush@b", "amqps://anna.k@c/v"}, Login: Login{Cert: cert}}
	if got, err := several.User(); err != nil || got != "anna.k" {
		t.Errorf("%q, %v", got, err)
	}
	several.URLs[2] = "amqps://otto:hush@c"
	if got, err := several.User(); !errors.Is(err, ErrBadURL) || got != "" || !strings.Contains(err.Error(), `number 1 and 3 are for different users, "anna.k" and "otto"`) || hint.First(err) == "" {
		t.Errorf("different users: %q, %v", got, err)
	}
	_, err = Options{URLs: []string{"amqps://localhost"}, Login: Login{Cert: nameless}}.User()
	if !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), "no common name") {
		t.Errorf("a certificate without a name: %v", err)
	}
}

package redact

import (
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValue(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://user:secret@host/v":          "amqp://user:xxxxx@host/v",
		"amqps://user:se@cr/et@host:1/v":     "amqps://user:xxxxx@host:1/v",
		"amqp://op:p@w@h":                    "amqp://op:xxxxx@h",
		"amqp://:secret@host":                "amqp://:xxxxx@host",
		"op:pw@host:1":                       "op:xxxxx@host:1",
		"amqp:/op:pw@h/":                     "amqp:xxxxx@h/",
		"amqps:op:pw@h":                      "amqps:xxxxx@h",
		"//op:pw@h":                          "xxxxx@h",
		"amqp//op:pw@h":                      "xxxxx@h",
		"amqp:op:pw":                         "amqp:op:xxxxx",
		"/work/amqp:/op:pw":                  "/work/amqp:/op:xxxxx",
		"/work/amqp:/op:pw@h":                "xxxxx@h",
		"op/pw@h":                            "xxxxx@h",
		"op pw@h":                            "xxxxx@h",
		" amqp://op:pw@h":                    " amqp://op:xxxxx@h",
		"amqp://op%3Apw@h":                   "amqp://xxxxx@h",
		"amqp://op:p%40w@h":                  "amqp://op:xxxxx@h",
		"amqp://op:pw":                       "amqp://op:xxxxx",
		"amqp://h@op:pw":                     "amqp://h@op:xxxxx",
		"amqp://h/?password=pw&heartbeat=5":  "amqp://h/?password=xxxxx&heartbeat=5",
		"amqp://h/?password=p@w&heartbeat=5": "amqp://xxxxx@xxxxx&heartbeat=5",
		"amqp://a:b@h1,amqp://c:d@h2":        "amqp://a:xxxxx@h2",

		"amqp://user@host/v":          "amqp://user@host/v",
		"amqp://host/v":               "amqp://host/v",
		"amqp://host:5672/v":          "amqp://host:5672/v",
		"amqp://user@[::1]:5672/":     "amqp://user@[::1]:5672/",
		"amqp://[2001:db8::1]/":       "amqp://[2001:db8::1]/",
		"me@example.com":              "me@example.com",
		"/home/me@corp/key":           "/home/me@corp/key",
		`C:\Users\me@corp\key`:        `C:\Users\me@corp\key`,
		"C:/Users/key":                "C:/Users/key",
		"web01,10.0.0.7,2001:db8::10": "web01,10.0.0.7,2001:db8::10",
		"5s":                          "5s",
		"":                            "",
		"@":                           "@",
		"@web":                        "@web",
	} {
		if got := Value(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestList(t *testing.T) {
	for want, elements := range map[string][]string{
		"amqp://a:xxxxx@h1,amqp://c:xxxxx@h2": {"amqp://a:b@h1", "amqp://c:d@h2"},
		"amqp://a:xxxxx@h1":                   {"amqp://a:b", "c@h1"},
		"op:xxxxx@h":                          {"op:p", "w@h"},
		"xxxxx@h2":                            {"h1", "op:pw@h2"},
		"www,10.0.0.7":                        {"www", "10.0.0.7"},
	} {
		if got := List(elements); got != want {
			t.Errorf("%q: %s, want %s", elements, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		`expected an int but got "amqp://op:pw@h" (string)`: `expected an int but got "amqp://op:xxxxx@h" (string)`,
		"CA file /w/amqp:/op:p@w@h cannot be used":          "CA file /w/amqp:xxxxx@h cannot be used",
		"named @failed:1b4e!@ok:1b4e by me@example.com":     "named @failed:1b4e!@ok:1b4e by me@example.com",
	} {
		if got := Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// password is one that no other part of the text can have by chance.
var password = rapid.StringMatching(`[A-Za-z0-9:/?#@%,; !&=+~'"-]{0,6}SECRET[A-Za-z0-9:/?#@%,; !&=+~'"-]{0,6}`)

func TestNothingShowsThePassword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pw := password.Draw(t, "password")
		if rapid.Bool().Draw(t, "encoded") {
			pw = url.QueryEscape(pw)
		}
		text := rapid.SampledFrom([]string{"amqp://", "amqps://", "AMQP://", "amqp:/", "amqp:", "amqp//", "", " amqp://", "http://", "/work/dir/amqp:/"}).Draw(t, "scheme") +
			rapid.SampledFrom([]string{"op:", ":", "o.p:", "op%40x:", "o p:", "op%3A"}).Draw(t, "user") + pw + "@" +
			rapid.SampledFrom([]string{"h", "h:5672", "h:5672/v", "[::1]:1/", "h/?heartbeat=5", ""}).Draw(t, "host")
		if got := Value(text); strings.Contains(got, "SECRET") {
			t.Fatalf("%q is shown as %q", text, got)
		}
		if got := List(strings.Split("amqp://x@first,"+text, ",")); strings.Contains(got, "SECRET") {
			t.Fatalf("%q is listed as %q", text, got)
		}
		if got := List(strings.Split(text, ",")); strings.Contains(got, "SECRET") {
			t.Fatalf("%q is listed as %q", text, got)
		}
		if again := Value(Value(text)); again != Value(text) {
			t.Fatalf("%q, %q, %q", text, Value(text), again)
		}
	})
}

func FuzzValue(f *testing.F) {
	f.Add("amqp://op:pw@h")
	f.Add("op%3Apw@[::1")
	f.Fuzz(func(t *testing.T, text string) {
		Value(text)
		Text(text)
		List(strings.Split(text, ","))
	})
}

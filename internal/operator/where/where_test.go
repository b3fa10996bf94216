package where

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hour = 3600_000

// web knows all of itself, bare nothing that an agent may leave out.
var (
	web = &wire.Hello{
		Agent: "web01", Names: []string{"web01", "10.0.0.7", "front"}, Running: 3, Queued: 4, Workers: 8, At: 100 * hour,
		Facts: wire.Facts{
			OS: "linux", Arch: "amd64", Version: "0.10.2", Hostname: "Web01", StartedAt: 98 * hour,
			Labels:       map[string]string{"role": "web", "dc": "eu-1", "os": "a label", "rack": "12", "empty": "", "a-b": "dash"},
			Distribution: "debian", DistributionVersion: "12", Kernel: "6.1.0-37-amd64",
			Addresses: []string{"10.0.0.7", "fd00::7"}, CPUs: 8, Memory: 16 << 30, BootedAt: 28 * hour,
		},
	}
	bare = &wire.Hello{
		Agent: "db1", Names: []string{"db1"}, At: 100 * hour,
		Facts: wire.Facts{OS: "windows", Arch: "arm64", Version: "0.9.0", Hostname: "db1", StartedAt: 99 * hour},
	}
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`role == "web" and os == "linux" and cpus >= 8`, "web01"},
		{`true`, "web01 db1"},

		// Names and addresses in any spelling.
		{`name == "WEB01."`, "web01"},
		{`"Web01" == name`, "web01"},
		{`name != "WEB01"`, "db1"},
		{`name in ["x", "DB1."]`, "db1"},
		{`"::ffff:10.0.0.7" in names`, "web01"},
		{`names contains "FRONT."`, "web01"},
		{`"FD00:0:0::7" in addresses`, "web01"},
		{`name contains "WEB"`, ""},
		{`name == "web 01"`, ""},
		{`hostname == "Web01"`, "web01"},
		{`role == "web."`, ""},
		{`false`, ""},

		// What is unknown is nil.
		{`role == "web"`, "web01"},
		{`role == "db"`, ""},
		{`role != "web"`, "db1"},
		{`role == nil`, "db1"},
		{`nil == role`, "db1"},
		{`role != nil`, "web01"},
		{`role == dc`, ""},
		{`labels["nosuch"] == labels["neither"]`, ""},
		{`labels["nosuch"] == nil`, "web01 db1"},
		{`not (role == "web")`, "db1"},
		{`cpus < 100`, "web01"},
		{`not (cpus < 100)`, "db1"},
		{`cpus == nil`, "db1"},
		{`cpus + 1 > 0`, "web01"},
		{`(cpus ?? 1) == 1`, "db1"},
		{`(role ?? "none") == "none"`, "db1"},
		{`role startsWith "w"`, "web01"},
		{`role in ["web", "db"]`, "web01"},
		{`role not in ["web", "db"]`, "db1"},
		{`role matches "."`, "web01"},
		{`within(addresses, "0.0.0.0/0")`, "web01"},
		{`-cpus < 0`, "web01"},

		// Labels.
		{`labels["role"] == "web"`, "web01"},
		{`labels.role == "web"`, "web01"},
		{`labels["a-b"] == "dash"`, "web01"},
		{`os == "linux"`, "web01"},
		{`labels["os"] == "a label"`, "web01"},
		{`"role" in labels`, "web01"},
		{`"nosuch" in labels`, ""},
		{`empty == ""`, "web01"},
		{`empty == nil`, "db1"},
		{`role == "WEB"`, ""},
		{`lower("WEB") == role`, "web01"},

		// Numbers, and texts that are read as such.
		{`cpus == 8`, "web01"},
		{`cpus == 8.0`, "web01"},
		{`cpus != 8`, "db1"},
		{`cpus * 2 - 6 == 10 and cpus / 4 == 2 and cpus % 3 == 2`, "web01"},
		{`rack >= 12 and rack < 13`, "web01"},
		{`rack == 12`, "web01"},
		{`rack in [11, 12]`, "web01"},
		{`rack + 1 == 13`, "web01"},
		{`4 < cpus < 9`, "web01"},
		{`memory >= 16*GiB and memory < 1*TiB`, "web01"},
		{`uptime > 2*day and uptime < 1*week`, "web01"},
		{`agent_uptime < 90*minute`, "db1"},
		{`running + queued == 7 or workers == 0`, "web01 db1"},

		// Texts in order are compared as versions.
		{`version >= "0.9.0"`, "web01 db1"},
		{`version > "0.9.0"`, "web01"},
		{`version < "0.10"`, "db1"},
		{`distribution_version >= "9"`, "web01"},
		{`kernel >= "6.1"`, "web01"},
		{`kernel >= "6.2"`, ""},

		// Parts, lists.
		{`name contains "eb0"`, "web01"},
		{`name endsWith "1"`, "web01 db1"},
		{`name matches "^db[0-9]$"`, "db1"},
		{`"front" in names`, "web01"},
		{`names contains "front"`, "web01"},
		{`names contains "fron"`, ""},
		{`addresses startsWith "10."`, "web01"},
		{`addresses matches "^fd"`, "web01"},
		{`within(addresses, "10.0.0.0/8")`, "web01"},
		{`within(addresses, "192.168.0.0/16")`, ""},
		{`within(addresses, "fd00::/8") || name == "db1"`, "web01 db1"},

		// Words and signs of logic.
		{`!(os == "linux") && arch == "arm64"`, "db1"},
		{`os == "linux" or os == "windows"`, "web01 db1"},
		{`hostname == "Web01"`, "web01"},
		{`(role == nil) or role == "web" and cpus > 9`, "db1"},
	} {
		c, err := Parse(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if err := c.Check([]*wire.Hello{web, bare}); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		var got []string
		for _, h := range []*wire.Hello{web, bare} {
			ok, err := c.Match(h)
			if err != nil {
				t.Errorf("%s: %v", tt.text, err)
			}
			if ok {
				got = append(got, h.Agent)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s is true of %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		text   string
		column int
		want   string
	}{
		{``, 1, "cut short"},
		{`role ==`, 8, "cut short"},
		{`role == "web" and`, 18, "cut short"},
		{`(role == "web"`, 15, "cut short"},
		{`role == "web`, 13, "cut short"},
		{`role = "web"`, 6, "\"=\" is not expected here\nhint: compare with ==, as in role == \"web\""},
		{`role == "a" role == "b"`, 13, "\"role\" is not expected here\nhint: write it as in: role == \"web\" and "},
		{`role == "a" "b"`, 13, "\"b\" is not expected here"},
		{`role == "a" 5`, 13, "\"5\" is not expected here"},
		{`role == "a")`, 12, "\")\" is not expected here"},
		{`role`, 1, "role is not true or false"},
		{`cpus`, 1, "cpus is not true or false"},
		{`"web"`, 1, `"web" is not true or false`},
		{`role == "web" and dc`, 19, "dc is not true or false"},
		{`not role`, 5, "role is not true or false"},
		{`not role == "web"`, 1, `role is all that "not" applies to`},
		{`cpus + 1`, 6, "is not true or false"},
		{`labels == nil`, 1, "labels are many"},
		{`labels[role] == "x"`, 7, "is not understood"},
		{`names[0] == "x"`, 6, "is not understood"},
		{`os.x == "x"`, 4, "is not understood"},
		{`name matches os`, 14, "matches needs a regular expression"},
		{`name matches "("`, 14, "is not a regular expression"},
		{`name matches "(?=x)"`, 14, "is not a regular expression"},
		{`within(addresses)`, 1, "within needs"},
		{`within(addresses, os)`, 19, "within needs a network"},
		{`within(addresses, "10.0.0.0")`, 19, `"10.0.0.0" is not a network`},
		{`len(role) > 1`, 1, "there is no function len"},
		{`any(names, # == "x")`, 1, "there is no function any"},
		{`repeat("x", 999999999) == "x"`, 1, "there is no function repeat"},
		{`frob(1) == 1`, 1, "there is no function frob"},
		{`os.frob() == 1`, 4, "there is no function os.frob"},
		{`1..999999999 == 1`, 2, `".." is not an operator`},
		{`cpus in 1..999999999`, 10, `".." is not an operator`},
		{`2 ** 9999 > 1`, 3, `"**" is not an operator`},
		{`let x = 1; x == 1`, 5, "is not a text"},
		{`role ? true : false`, 19, "is not a text"},
		{`{"a": 1} == 1`, 1, "is not a text"},
		{`[1] == 1`, 1, "is not a text"},
		{`os == "linux"; true`, 4, "is not a text"},
		{strings.Repeat("(", 500) + "true" + strings.Repeat(")", 499), 1004, "cut short"},
		{strings.Repeat("true or ", 400) + "true", 801, "more than 500"},
		{strings.Repeat(" ", 4097), 1, "the limit is 4096"},
	} {
		_, err := Parse(tt.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.60s: %v, not an *Error", tt.text, err)
			continue
		}
		if e.Column != tt.column || !strings.Contains(e.Problem+"\nhint: "+e.Hint, tt.want) {
			t.Errorf("%.60s: column %d: %s\nhint: %s\nwant column %d: …%s…", tt.text, e.Column, e.Problem, e.Hint, tt.column, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		text        string
		column      int
		text2, hint string
	}{
		{`os == "linux" and rolle == "web"`, 19, `label "rolle"`, `did you mean "role"?`},
		{`cpu >= 8`, 1, `label "cpu"`, `did you mean "cpus"?`},
		{`zebra == nil`, 1, `label "zebra"`, `labels["zebra"] is nil`},
		{`Role == "web"`, 1, `label "Role"`, `did you mean "role"?`},
		{`role == web`, 9, `label "web"`, `text needs quotes: "web"`},
		{`os == linux`, 7, `label "linux"`, `text needs quotes: "linux"`},
		{`name in [web7]`, 10, `label "web7"`, `text needs quotes: "web7"`},
		{`role == cpu`, 9, `label "cpu"`, `did you mean "cpus"?`},
	} {
		c, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := c.Check([]*wire.Hello{bare, web}); !errors.As(err, &e) || e.Column != tt.column || !strings.Contains(e.Problem, tt.text2) || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	c, err := Parse(`role == "web"`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check([]*wire.Hello{bare}); err == nil {
		t.Error("a label that no host has passes")
	}
}

func TestMatchErrors(t *testing.T) {
	for text, want := range map[string]string{
		`role > 5`:               `on web01 role is "web", which is no number`,
		`role == 5`:              `on web01 role is "web", which is no number`,
		`role + 1 == 2`:          `on web01 role is "web", which is no number`,
		`-role == 2`:             `on web01 role is "web", which is no number`,
		`names == "web01"`:       `on web01 names is a list`,
		`"x" == names`:           `on web01 names is a list`,
		`names > "a"`:            `on web01 names is a list, which is no number`,
		`name startsWith 5`:      `on web01 5 is 5, which is no text`,
		`"x" in role`:            `on web01 role is "web", which is no list`,
		`cpus / (cpus - 8) == 1`: `on web01 cpus - 8 is 0`,
		`os in ["a", 5]`:         `on web01 os is "linux", which is no number`,
	} {
		c, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := c.Match(web); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`role == "web" and os == "linux" and cpus >= 8`, `not (a in [1, "b"])`, `within(addresses, "10.0.0.0/8")`,
		`labels["x"] matches "^a" ?? 1`, `1..2`, `a ? b : c`, `#`, `let a = 1; a`, `-1 * (2 + cpus) % 3 > .5e3`, `any(names, #)`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(text)+1 || e.Problem == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		for _, h := range []*wire.Hello{web, bare} {
			_ = c.Check([]*wire.Hello{h})
			_, _ = c.Match(h)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	c, err := Parse(`role == "web" and os == "linux" and cpus >= 8 and name matches "^web"`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, err := c.Match(web); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

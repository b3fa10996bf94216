package manpage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var date = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)

// rendered formats a page and returns its words, with single blanks between them. It
// fails the test if mandoc complains about the page.
func rendered(t *testing.T, p *Page) string {
	t.Helper()
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("no mandoc on this machine")
	}
	var page bytes.Buffer
	if err := p.Write(&page, date); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(path, page.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	lint, _ := exec.Command(mandoc, "-T", "lint", "-W", "all", path).Output()
	for line := range bytes.Lines(lint) {
		if !bytes.Contains(line, []byte("referenced manual not found")) { // it is not installed
			t.Errorf("%s%s", line, page.Bytes())
		}
	}
	text, err := exec.Command(mandoc, "-T", "utf8", "-O", "width=500", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(".\b").ReplaceAllString(string(text), "")
	return strings.Join(strings.Fields(plain), " ")
}

func TestTextIsLiteral(t *testing.T) {
	for _, text := range []string{
		"a plain sentence",
		`.Sh is no section and 'quotes' stay "quotes"`,
		`C:\Users\n and \e[31m and \fBbold`,
		"--flag=x -y ~/file `command` ^top …",
		"'.Pp at the start",
		". alone",
		"Nm Ar Pa are words",
		"ends with a backslash \\",
		"übergrößenträger 日本語",
		strings.Repeat("a-very-long-line ", 30) + "end",
	} {
		page := &Page{Name: "test", Section: 1, Summary: "test", Description: text, Lists: []List{{Title: "OPTIONS", Items: []Item{{Term: text, Text: text}}}}}
		want := strings.Join(strings.Fields(text), " ")
		if got := rendered(t, page); strings.Count(got, want) != 3 {
			t.Errorf("%q is %d times, not 3, in %s", want, strings.Count(got, want), got)
		}
	}
}

func TestIndentedLinesKeepTheirLineEnds(t *testing.T) {
	page := &Page{Name: "test", Section: 1, Summary: "test", Description: "Text:\n\n    run one\n      .two\n\nMore text."}
	var source bytes.Buffer
	if err := page.Write(&source, date); err != nil {
		t.Fatal(err)
	}
	if want := "Text:\n.Bd -literal -offset indent\nrun one\n  .two\n.Ed\n.Pp\nMore text.\n"; !strings.Contains(source.String(), want) {
		t.Errorf("no %q in %s", want, source.String())
	}
	rendered(t, page)
}

type cookCommand struct {
	Salt int  `short:"s" default:"3" placeholder:"GRAMS" env:"SALT" help:"Salt in the water."`
	Hot  bool `help:"Serve it hot."`
	Soup struct {
		Kind  string `arg:"" help:"Kind of soup."`
		Bowls int    `help:"Number of bowls."`
	} `cmd:"" usage:"cook soup [--bowls N]" help:"Cook a soup."`
	Secret struct{} `cmd:"" hidden:""`
}

func (*cookCommand) Help() string {
	return "Cooks.\n\n    cook rice\n\nExit status: 0 it tastes; 1 otherwise."
}

func TestPageOfCommandHasTextOfHelp(t *testing.T) {
	var grammar struct {
		Cook cookCommand `cmd:"" aliases:"boil" usage:"cook [DISH]" help:"Cook a dish. Then eat it."`
	}
	app := kong.Must(&grammar, kong.Name("kitchen"), kong.NoDefaultHelp())
	got := rendered(t, Command("kitchen", app.Model.Children[0]))
	for _, want := range []string{
		"kitchen-cook – cook a dish SYNOPSIS kitchen cook [DISH] DESCRIPTION Cook a dish. Then eat it. Cooks. cook rice Other names: boil.",
		"SUBCOMMANDS cook soup [--bowls N] Cook a soup. KIND Kind of soup. --bowls INT Number of bowls.",
		"OPTIONS -s, --salt GRAMS Salt in the water. Default: 3. Environment: SALT. --hot Serve it hot.",
		"EXIT STATUS 0 it tastes; 1 otherwise. SEE ALSO kitchen(1)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("a hidden command is in %s", got)
	}
}

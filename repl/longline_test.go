//go:build unix

package repl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// wrapped is a line as a terminal of so many columns shows it.
func wrapped(line string, columns int) string {
	var rows strings.Builder
	used := 0
	for _, c := range line {
		width := 1
		if c > 0x2e80 {
			width = 2
		}
		if used+width > columns {
			rows.WriteString("\n")
			used = 0
		}
		rows.WriteRune(c)
		used += width
	}
	return strings.ReplaceAll(rows.String(), " \n", "\n")
}

// longLine is a command that takes several rows of 80 columns. No wide character is at the right
// margin, where the emulator loses them.
func longLine() string {
	return "hosts expand web[7-8] " + strings.Repeat("主bcdefghi", 20) + " end"
}

const home, left = "\x1b[H", "\x1b[D"

func TestLongLineWraps(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOTICE=1"})
	d.shows("help lists the commands\nwarren>")
	line := longLine()
	d.send(line)
	whole := "warren> " + line
	ends := func(what, tail string) {
		t.Helper()
		d.until(what, func(screen string) bool {
			return strings.HasSuffix(screen, tail) && strings.Count(screen, "end\n") <= 1
		})
	}
	ends("the whole line", "\n"+wrapped(whole, 80)+"\n")
	notify(t, dir, "first notice")
	ends("the line below a notice", "first notice\n"+wrapped(whole, 80)+"\n")
	d.send(home + "xx") // in the first of its rows
	whole = "warren> xx" + line
	ends("the line with an insertion", "first notice\n"+wrapped(whole, 80)+"\n")
	notify(t, dir, "second notice")
	ends("the line below two notices", "first notice\nsecond notice\n"+wrapped(whole, 80)+"\n")
	d.send("yy")
	whole = "warren> xxyy" + line
	ends("a second insertion", "second notice\n"+wrapped(whole, 80)+"\n")
	d.send(ctrlC)
	ends("a prompt below the line", wrapped(whole+"^C", 80)+"\nwarren>\n")
	d.send(ctrlD)
	d.done()
}

// The output of a command begins below all rows of its line, wherever the cursor was.
func TestOutputBeginsBelowLongLine(t *testing.T) {
	d := startDisplay(t, t.TempDir(), 80, 24, nil)
	d.shows("help lists the commands\nwarren>")
	ends := func(tail string) {
		t.Helper()
		d.until("the end\n"+tail, func(screen string) bool { return strings.HasSuffix(screen, tail+"\n") })
	}
	for i, moves := range []string{"", home, strings.Repeat(left, 60), strings.Repeat(left, 20)} {
		for _, length := range []int{100, 151, 152, 153, 160} {
			line := "hosts expand " + strings.Repeat(string(rune('a'+i)), length-13)
			d.send(line)
			ends(wrapped("warren> "+line, 80))
			d.send(moves + "\r")
			ends(wrapped("warren> "+line, 80) + "\n" + wrapped(line[13:], 80) + "\nwarren>")
			d.send("\x1b[A") // and the history brings it again
			ends(wrapped(line[13:], 80) + "\n" + wrapped("warren> "+line, 80))
			d.send("\x15")
			ends(wrapped(line[13:], 80) + "\nwarren>")
		}
	}
	d.send(ctrlD)
	d.done()
}

// A pasted text that is longer than the screen shows its end, and the beginning when the cursor
// is there.
func TestLineLongerThanTheScreen(t *testing.T) {
	d := startDisplay(t, t.TempDir(), 40, 6, nil)
	d.shows("help lists the commands\nwarren>")
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "word%02d ", i)
	}
	d.send(paste("tasks --command \"" + text.String() + "\""))
	rows := strings.Split(wrapped("warren> tasks --command \""+text.String()+"\"", 40), "\n")
	shows := func(rows []string) {
		t.Helper()
		want := ""
		for _, row := range rows {
			want += strings.TrimRight(row, " ") + "\n"
		}
		d.until("the rows\n"+want, func(screen string) bool { return screen == want })
	}
	shows(rows[len(rows)-6:])
	d.send(home)
	shows(rows[:6])
	d.send("\x1b[F")
	shows(rows[len(rows)-6:])
	d.send(ctrlC)
	d.shows("^C\nwarren>")
	d.send(ctrlD)
	d.done()
}

// Tab lists choices above the line, in columns, as many as there is room for.
func TestTabListsChoicesAboveLongLine(t *testing.T) {
	dir := t.TempDir()
	startTerminal(t, dir, nil, "run", "true", "--yes", "--hosts", "web[001-400] dbserver1").end()
	d := startDisplay(t, dir, 80, 24, nil)
	d.shows("help lists the commands\nwarren>")
	line := "run \"" + strings.Repeat("主bcdefghi", 15) + "\" --hosts w"
	d.send(line)
	d.shows(wrapped("warren> "+line, 80))
	d.send("\t")
	line += "eb"
	d.shows(wrapped("warren> "+line, 80))
	d.send("\t")
	d.until("the list", func(screen string) bool {
		return strings.HasSuffix(screen, "\n… 400 in all\n"+wrapped("warren> "+line, 80)+"\n") && strings.Contains(screen, "web001  web0")
	})
	d.send("40")
	d.shows(wrapped("warren> "+line+"40", 80))
	d.send("0\t")
	d.shows(wrapped("warren> "+line+"400", 80))
	d.send(ctrlC)
	d.shows("^C\nwarren>")
	d.send("c\t")
	d.shows("cancel       check_task   collect      completion   config\nwarren> c")
	d.send(ctrlC)
	d.shows("^C\nwarren>")
	d.send(ctrlD)
	d.done()
}

// resize changes the size of the terminal. Its rows are wrapped again, as most terminals do.
func (d *display) resize(columns, rows int) {
	d.t.Helper()
	old := d.vt.Width()
	lines := strings.Split(strings.TrimSuffix(d.text(), "\n"), "\n")
	cursor := d.vt.CursorPosition()
	var text strings.Builder
	text.WriteString("\x1b[H\x1b[2J")
	for i, line := range lines {
		full := displayWidth(line) == old // the next row belongs to it
		if i == cursor.Y {
			line = line + strings.Repeat(" ", max(0, cursor.X-displayWidth(line)))
			line = cutAt(line, cursor.X, "\x1b7")
		}
		text.WriteString(line)
		if !full && i < len(lines)-1 {
			text.WriteString("\r\n")
		}
	}
	d.vt.Resize(columns, rows)
	_, _ = d.vt.WriteString(text.String() + "\x1b8")
	if err := pty.Setsize(d.tty, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		d.t.Fatal(err)
	}
}

func displayWidth(line string) int {
	width := 0
	for _, c := range line {
		width++
		if c > 0x2e80 {
			width++
		}
	}
	return width
}

func cutAt(line string, column int, mark string) string {
	used := 0
	for i, c := range line {
		if used >= column {
			return line[:i] + mark + line[i:]
		}
		used += displayWidth(string(c))
	}
	return line + mark
}

// After the window has changed its size, the line is drawn again over the rows that it takes
// now, and what is above it stays.
func TestLongLineIsResized(t *testing.T) {
	dir := t.TempDir()
	d := startDisplay(t, dir, 80, 24, []string{"FAKE_NOTICE=1"})
	d.shows("help lists the commands\nwarren>")
	d.line("hosts expand web[1-2]")
	d.shows("web1\nweb2\nwarren>")
	const tail = 100
	text := "hosts expand " + strings.Repeat("0123456789", 20) + "end"
	for at, moves := range map[int]string{len(text): "", len(text) - tail: strings.Repeat(left, tail), 0: home} {
		d.send(text)
		d.shows(wrapped("warren> "+text, 80)) // the editor's first drawing has the cursor in its last row
		d.send(moves)
		typed := ""
		for i, columns := range []int{80, 50, 100, 30, 120, 80} {
			if i > 0 {
				d.resize(columns, 24)
			}
			d.send("x") // the program has seen the new size when it is there
			typed += "x"
			want := "web1\nweb2\n" + wrapped("warren> "+text[:at]+typed+text[at:], columns) + "\n"
			cursor := len("warren> ") + at + len(typed)
			d.until(fmt.Sprintf("the line on %d columns, the cursor at %d:\n%s", columns, cursor, want), func(screen string) bool {
				above := strings.Count(screen, "\n") - strings.Count(want, "\n") + strings.Count("web1\nweb2\n", "\n")
				at := d.vt.CursorPosition()
				return strings.HasSuffix(screen, want) && strings.Count(screen, "warren> ") == 2 && at.X+(at.Y-above)*columns == cursor
			})
		}
		d.send("\x15\x0b") // erases the line
		d.until("an empty line", func(screen string) bool { return strings.HasSuffix(screen, "web2\nwarren>\n") })
	}
	d.send(text)
	d.shows("end\n")
	d.resize(50, 24)
	notify(t, dir, "a notice")
	d.until("the line below the notice", func(screen string) bool {
		return strings.HasSuffix(screen, "web2\na notice\n"+wrapped("warren> "+text, 50)+"\n")
	})
	d.send(ctrlC)
	d.shows("^C\nwarren>")
	d.send(ctrlD)
	d.done()
}

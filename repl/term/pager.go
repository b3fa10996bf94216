package term

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/kballard/go-shellquote"
)

// A pager shows what is longer than the screen through $PAGER. Until it is
// known to be longer, it is held.
type pager struct {
	out    io.Writer
	words  []string // the program
	screen func() (columns, rows int)

	held   bytes.Buffer
	lines  int
	cmd    *exec.Cmd
	pipe   io.WriteCloser
	direct bool // there is no such program
}

// errPagerLeft: who reads has seen enough.
var errPagerLeft = errors.New("the pager was left")

// pagerWords is the program that shows long output; nil is none.
func pagerWords() []string {
	text, set := os.LookupEnv("PAGER")
	if !set {
		text = "less"
	}
	words, err := splitPager(runtime.GOOS, text)
	if err != nil || len(words) == 0 || words[0] == "cat" || os.Getenv("TERM") == "dumb" {
		return nil
	}
	if path, err := exec.LookPath(words[0]); err == nil {
		words[0] = path
		return words
	}
	return nil
}

// splitPager splits the value of PAGER. On Windows it may be a path with blanks and without
// quotes, and a backslash quotes nothing outside quotes.
func splitPager(goos, text string) ([]string, error) {
	if goos != "windows" {
		return shellquote.Split(text)
	}
	if i := strings.Index(strings.ToLower(text), ".exe"); i >= 0 && !strings.ContainsAny(text[:i], `"'`) {
		end := i + len(".exe")
		words, err := splitPager(goos, strings.TrimSpace(text[end:]))
		return append([]string{strings.TrimSpace(text[:end])}, words...), err
	}
	return shellquote.Split(strings.ReplaceAll(text, `\`, `\\`))
}

func (p *pager) Write(text []byte) (int, error) {
	switch {
	case p.direct:
		return p.out.Write(text)
	case p.pipe != nil:
		return p.give(text)
	}
	_, _ = p.held.Write(text)
	columns, rows := p.screen()
	if p.lines += bytes.Count(text, []byte{'\n'}) + len(text)/max(columns, 20); p.lines < rows {
		return len(text), nil
	}
	if err := p.start(); err != nil {
		p.direct = true
		_, err := p.out.Write(p.held.Bytes())
		return len(text), err
	}
	if _, err := p.give(p.held.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// give hands text to the pager. It may have been left: then the pipe is broken,
// which is no failure, and no signal, since it is not standard output.
func (p *pager) give(text []byte) (int, error) {
	n, err := p.pipe.Write(text)
	if err != nil {
		return n, errPagerLeft
	}
	return n, nil
}

// start starts the program, with the options that Git gives less: leave where
// one screen is enough, pass on colors, leave the text on the screen. Warren writes UTF-8, also
// in a locale that this system lacks, for which less would show bytes.
func (p *pager) start() error {
	cmd := exec.Command(p.words[0], p.words[1:]...)
	cmd.Stdout, cmd.Stderr = p.out, os.Stderr
	cmd.Env = os.Environ()
	for _, v := range []string{"LESS=FRX", "LESSCHARSET=utf-8", "LV=-c"} {
		if name, _, _ := strings.Cut(v, "="); os.Getenv(name) == "" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.pipe = cmd, pipe
	return nil
}

// close ends the text and waits until it has been read.
func (p *pager) close() error {
	if p.cmd == nil {
		if p.direct {
			return nil
		}
		_, err := p.out.Write(p.held.Bytes())
		return err
	}
	_ = p.pipe.Close() // an error where it was left
	_ = p.cmd.Wait()   // how it ends is its own affair
	return nil
}

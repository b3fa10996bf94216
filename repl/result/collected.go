package result

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"warren/internal/files/collect"
	"warren/internal/operator/model"
	"warren/repl/term"
)

// A Collected is what a host has sent of a collect.
type Collected struct {
	Files []CollectedFile
	Err   error // what is wrong with the archive as a whole; nil: nothing
}

// A CollectedFile is a file, or a path that has none.
type CollectedFile struct {
	collect.File
	Saved string // where it was saved; empty if it was not
}

// A Collector reads what hosts have sent of a collect. Its errors are those of this operator.
type Collector interface {
	// Host returns what the host of a job has sent.
	Host(ctx context.Context, j *model.Job) (*Collected, error)

	// Size returns how many bytes the host of a job sends at most, if the host has said so.
	Size(ctx context.Context, j *model.Job) (size int64, ok bool)

	// Text returns the content of a file by its SHA-256, if it is kept, and is text.
	Text(sum [sha256.Size]byte) (string, bool)
}

// OK reports whether everything that the host has was collected. A path without a file is a
// result, not a failure.
func (c *Collected) OK() bool {
	for i := range c.Files {
		if c.Files[i].Failed != "" {
			return false
		}
	}
	return c.Err == nil
}

// ShortSum is the beginning of a file's SHA-256.
func (f *CollectedFile) ShortSum() string { return hex.EncodeToString(f.SHA256[:6]) + "…" }

// Text describes the file without its path.
func (f *CollectedFile) Text() string {
	switch {
	case f.Missing != "":
		return "missing: " + term.Line(f.Missing)
	case f.Failed != "":
		return "failed: " + term.Line(f.Failed)
	}
	return fmt.Sprintf("%s  sha256 %s", term.Size(f.Size), f.ShortSum())
}

// A StreamLine is a line of --stream, with the mark after its host.
type StreamLine struct {
	Mark byte
	Text string
}

// CollectedLines returns the lines of --stream for a job of a collect that has ended.
func (v *View) CollectedLines(ctx context.Context, j *model.Job) (lines []StreamLine, err error) {
	if v.Collect == nil {
		return nil, nil
	}
	c, err := v.Collect.Host(ctx, j)
	if err != nil {
		return nil, err
	}
	for i := range c.Files {
		f := &c.Files[i]
		mark := byte('|')
		if f.Failed != "" || f.Missing != "" {
			mark = '!'
		}
		lines = append(lines, StreamLine{mark, term.Line(f.Path) + "  " + f.Text()})
	}
	if c.Err != nil {
		lines = append(lines, StreamLine{'=', term.Line(c.Err.Error())})
	}
	return lines, nil
}

// A FileDocument is a CollectedFile in JSON.
type FileDocument struct {
	Path       string     `json:"path,omitzero"` // or the next
	PathBase64 []byte     `json:"path_base64,omitzero"`
	Size       *int64     `json:"size"`
	SHA256     *string    `json:"sha256"`
	Modified   *time.Time `json:"modified"`
	Missing    *string    `json:"missing"` // why there is no file
	Error      *string    `json:"error"`   // why the file is of no use
	Saved      *string    `json:"saved"`   // path of this operator
}

// CollectedDocument is what a host has sent, in JSON: nil if the task is no collect.
func (v *View) CollectedDocument(ctx context.Context, j *model.Job) (list []FileDocument, problem *string, err error) {
	if v.Collect == nil {
		return nil, nil, nil
	}
	c, err := v.Collect.Host(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	list = make([]FileDocument, len(c.Files))
	for i := range c.Files {
		f := &c.Files[i]
		d := FileDocument{Path: f.Path, Missing: textOrNil(f.Missing), Error: textOrNil(f.Failed), Saved: textOrNil(f.Saved)}
		if !utf8.ValidString(f.Path) {
			d.Path, d.PathBase64 = "", []byte(f.Path)
		}
		if f.Missing == "" {
			d.Size = &f.Size
		}
		if modified := f.ModTime.UTC(); !modified.IsZero() {
			d.Modified = &modified
		}
		if f.Missing == "" && f.Failed == "" {
			sum := hex.EncodeToString(f.SHA256[:])
			d.SHA256 = &sum
		}
		list[i] = d
	}
	if c.Err != nil {
		problem = textOrNil(c.Err.Error())
	}
	return list, problem, nil
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	return &text
}

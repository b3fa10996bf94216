package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"warren/internal/textfile"
	"warren/internal/wire"
)

// A Content identifies bytes that a task sends with its command. Lists and the audit
// log contain it instead of the bytes.
type Content struct {
	SHA256    string  `json:"sha256"` // hexadecimal
	Bytes     int     `json:"bytes"`
	FirstLine *string `json:"first_line,omitempty"` // of a script that is text
}

// DescribeScript describes the script of a run. It returns nil if there is none.
func DescribeScript(run *wire.Run) *Content {
	c := describe(run.Script)
	if c != nil {
		c.FirstLine = firstLine(run.Script)
	}
	return c
}

// DescribeStdin describes the standard input of a run, without any of its text, which
// may be confidential. It returns nil if there is none.
func DescribeStdin(run *wire.Run) *Content { return describe(run.Stdin) }

func describe(data []byte) *Content {
	if len(data) == 0 {
		return nil
	}
	sum := sha256.Sum256(data)
	return &Content{SHA256: hex.EncodeToString(sum[:]), Bytes: len(data)}
}

// mostFirstLine limits a first line in bytes.
const mostFirstLine = 200

// firstLine returns the first line of a text, and nil for a program.
func firstLine(data []byte) *string {
	line, _, _ := bytes.Cut(textfile.ToUTF8(data), []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
		return nil
	}
	text := string(line)
	if len(text) > mostFirstLine {
		text = strings.ToValidUTF8(text[:mostFirstLine], "") + "…"
	}
	return &text
}

package collected

import (
	"bytes"
	"crypto/sha256"
	"io"
	"unicode/utf8"

	"warren/internal/files/collect"
	"warren/repl/render"
)

// maxTexts bounds the texts that are kept to compare them, in bytes.
const maxTexts = 64 << 20

// texts are the contents of files that --diff compares, each once.
type texts struct {
	known map[[sha256.Size]byte][]byte
	total int64
	last  bytes.Buffer // of the file that is being read
}

func newTexts() *texts { return &texts{known: map[[sha256.Size]byte][]byte{}} }

// tee keeps what is read of a file that is not too large.
func (t *texts) tee(f *collect.File, content io.Reader) io.Reader {
	t.last.Reset()
	if f.Size > render.MaxDiff || t.total+f.Size > maxTexts {
		return content
	}
	return io.TeeReader(content, &t.last)
}

// done keeps the file that was read last, if it is text.
func (t *texts) done(f *collect.File) {
	if f.Failed != "" || f.Missing != "" || int64(t.last.Len()) != f.Size || t.known[f.SHA256] != nil {
		return
	}
	text := t.last.Bytes()
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return
	}
	t.known[f.SHA256] = append([]byte{}, text...)
	t.total += f.Size
}

// find returns the text with a SHA-256.
func (t *texts) find(sum [sha256.Size]byte) (string, bool) {
	text, ok := t.known[sum]
	return string(text), ok
}

package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"strconv"

	"warren/internal/hostname"
	"warren/internal/wire/merkle"
	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Batch is a statement with its leaves: what is sent to each host of a task.
// After SetSecret it does not change any more, and any goroutine may read it.
type Batch struct {
	run       *Run
	text      string
	signature string
	leaves    []Leaf
	tree      merkle.Tree

	prefix []byte      // the beginning of every body
	hashed hash.Cloner // SHA-256 state after the prefix
}

// NewBatch makes the bodies of a statement for these hosts; it fills Root and
// Size, and leaf i must have Index i. Sign gets the statement's text and returns
// a signature as Request.Signature; nil leaves the statement unsigned. No job
// and no host may occur twice. Beside sign's errors they are ErrMalformed,
// ErrType and ErrTooLarge.
func NewBatch(st Statement, leaves []Leaf, sign func(statement []byte) (string, error)) (*Batch, error) {
	if err := checkLeaves(leaves); err != nil {
		return nil, malformed(err)
	}
	b := &Batch{run: st.Run, leaves: slices.Clone(leaves)}
	hashes := make([]merkle.Node, len(leaves))
	var text []byte
	for i, l := range leaves {
		text = appendLeaf(text[:0], l, `"`)
		hashes[i] = merkle.HashLeaf(text)
	}
	b.tree = merkle.New(hashes)
	st.Root, st.Size = b.tree.Root(), len(leaves)
	var err error
	if b.text, b.signature, err = encodeStatement(st, sign); err != nil {
		return nil, err
	}
	if err := b.setPrefix(""); err != nil {
		return nil, err
	}
	return b, nil
}

func checkLeaves(leaves []Leaf) error {
	switch {
	case len(leaves) == 0:
		return strict.Invalid("leaves", "are missing: a task has at least one host")
	case len(leaves) > MaxLeaves:
		return fmt.Errorf("%w: %d hosts, the limit is %d", ErrTooLarge, len(leaves), MaxLeaves)
	}
	seen := make(map[string]int, 2*len(leaves))
	for i, l := range leaves {
		err := l.check(len(leaves))
		switch {
		case err != nil:
		case l.Index != i:
			err = strict.Invalid("index", "is not %d", i)
		case seen[l.Job] > 0:
			err = strict.Invalid("job", "is also that of leaf %d", seen[l.Job]-1)
		case seen[l.Host] > 0:
			err = strict.Invalid("host", "is also that of leaf %d", seen[l.Host]-1)
		}
		if err != nil {
			return strict.AtPath(fmt.Sprintf("leaf %d", i), err)
		}
		seen[l.Job], seen[l.Host] = i+1, i+1
	}
	return nil
}

// NewBroadcast makes the one body of a discover, which has no leaf. It returns the same
// errors as NewBatch.
func NewBroadcast(st Statement, sign func(statement []byte) (string, error)) (body []byte, err error) {
	if st.Type != TypeDiscover {
		return nil, fmt.Errorf("%w: only a %s has no leaf", ErrType, TypeDiscover)
	}
	text, signature, err := encodeStatement(st, sign)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&requestBody{V: Version, Statement: text, Signature: signature}, strict.EncodeOptions)
}

func encodeStatement(st Statement, sign func(statement []byte) (string, error)) (text, signature string, err error) {
	if err := st.check(); err != nil {
		return "", "", malformed(strict.AtPath("statement", err))
	}
	b, err := json.Marshal(&st, strict.EncodeOptions)
	if err != nil {
		return "", "", malformed(strict.AtPath("statement", strict.Explain(err)))
	}
	if len(b) > MaxRequest {
		return "", "", tooLong(len(b))
	}
	if sign != nil {
		if signature, err = sign(b); err != nil {
			return "", "", fmt.Errorf("signing the statement: %w", err)
		}
	}
	return string(b), signature, malformed(checkSignature(signature))
}

func tooLong(n int) error {
	return fmt.Errorf("%w: command, environment, script and input make a request of %d bytes, the limit is %d", ErrTooLarge, n, MaxRequest)
}

// Statement returns the text as it was signed, and the signature.
func (b *Batch) Statement() (text, signature string) { return b.text, b.signature }

// Size is the number of leaves.
func (b *Batch) Size() int { return len(b.leaves) }

// SetSecret puts the secret text into every body. It must be called before the
// first Body if, and only if, the statement's run has the text's hash.
func (b *Batch) SetSecret(text string) error {
	if _, err := decodeSecret(text, b.run); err != nil {
		return malformed(err)
	}
	return b.setPrefix(text)
}

// setPrefix prepares all that does not depend on the leaf, and its hash: with a
// long script nearly the whole body.
func (b *Batch) setPrefix(secret string) error {
	p := append([]byte(nil), `{"v":1,"statement":`...)
	p, _ = jsontext.AppendQuote(p, b.text) // texts that were encoded are UTF-8
	p = append(p, `,"signature":`...)
	p, _ = jsontext.AppendQuote(p, b.signature)
	if secret != "" {
		p = append(p, `,"secret":`...)
		p, _ = jsontext.AppendQuote(p, secret)
	}
	p = append(p, `,"leaf":"`...)
	if longest := len(p) + b.maxTail(); longest > MaxRequest {
		return tooLong(longest)
	}
	h := sha256.New()
	h.Write(p)
	b.prefix, b.hashed = p, h.(hash.Cloner)
	return nil
}

// Body is the request body for the host of leaf i: the same bytes at each call.
func (b *Batch) Body(i int) []byte {
	return b.appendTail(append(make([]byte, 0, len(b.prefix)+b.maxTail()), b.prefix...), i)
}

// Digest is the SHA-256 of Body(i). Its cost does not grow with the statement.
func (b *Batch) Digest(i int) (digest [32]byte) {
	h, err := b.hashed.Clone()
	if err != nil {
		panic(err) // crypto/sha256 can be cloned
	}
	h.Write(b.appendTail(make([]byte, 0, b.maxTail()), i))
	h.Sum(digest[:0])
	return digest
}

func (b *Batch) appendTail(p []byte, i int) []byte {
	p = appendLeaf(p, b.leaves[i], `\"`)
	p = append(p, `","path":[`...)
	for n, h := range b.tree.Path(i) {
		if n > 0 {
			p = append(p, ',')
		}
		p = append(p, '"')
		p = base64.StdEncoding.AppendEncode(p, h)
		p = append(p, '"')
	}
	return append(p, `]}`...)
}

// maxTail bounds what appendTail appends: texts without values, a UUID, the
// longest host name and index, and 47 bytes for each hash.
func (b *Batch) maxTail() int { return 100 + 36 + hostname.MaxLength + 10 + 47*(len(b.tree)-1) }

// appendLeaf appends a leaf's JSON text with this sign for the quotation mark:
// inside a string it is escaped. Nothing else in a leaf needs escaping.
func appendLeaf(p []byte, l Leaf, quote string) []byte {
	p = append(append(append(append(p, '{'), quote...), "job"...), quote...)
	p = append(append(append(append(p, ':'), quote...), l.Job...), quote...)
	p = append(append(append(append(p, ','), quote...), "host"...), quote...)
	p = append(append(append(append(p, ':'), quote...), l.Host...), quote...)
	p = append(append(append(append(p, ','), quote...), "index"...), quote...)
	return append(strconv.AppendInt(append(p, ':'), int64(l.Index), 10), '}')
}

package wire

import (
	"crypto/sha256"
	"fmt"
	"reflect"

	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
)

// requestBody is the body of a request. Statement, Leaf and Secret are JSON texts inside
// strings, because hashes and the signature cover their exact bytes.
type requestBody struct {
	V         int       `json:"v"`
	Statement string    `json:"statement"`
	Signature string    `json:"signature"`
	Secret    string    `json:"secret,omitzero"`
	Leaf      string    `json:"leaf,omitzero"`
	Path      *[][]byte `json:"path,omitzero"` // [] in a tree of one leaf
}

var (
	requestSchema   = strict.SchemaOf(reflect.TypeFor[requestBody]())
	statementSchema = strict.SchemaOf(reflect.TypeFor[Statement]())
	leafSchema      = strict.SchemaOf(reflect.TypeFor[Leaf]())
)

// DecodeRequest decodes a request body strictly and checks all that needs
// neither key nor clock: the members that its type needs and no others, their
// values and limits, and that leaf and path belong to the statement's root.
// The errors are ErrVersion, ErrType, ErrTooLarge and ErrMalformed.
func DecodeRequest(body []byte) (*Request, error) {
	if len(body) > MaxRequest {
		return nil, fmt.Errorf("%w: body has %d bytes, the limit is %d", ErrTooLarge, len(body), MaxRequest)
	}
	r, err := decodeRequest(body)
	if err != nil {
		return nil, malformed(err)
	}
	r.Digest = sha256.Sum256(body)
	return r, nil
}

func decodeRequest(body []byte) (*Request, error) {
	var b requestBody
	if err := decodeVersioned(body, requestSchema, &b, &b.V); err != nil {
		return nil, err
	}
	if err := checkSignature(b.Signature); err != nil {
		return nil, err
	}
	r := &Request{StatementText: b.Statement, Signature: b.Signature}
	if err := decodeStatement(b.Statement, &r.Statement); err != nil {
		return nil, strict.AtPath("statement", err)
	}
	if err := r.decodeLeaf(&b); err != nil {
		return nil, err
	}
	var err error
	r.Secret, err = decodeSecret(b.Secret, r.Statement.Run)
	return r, err
}

// decodeVersioned decodes a body and stores its version in *v. For a body of another
// version the error is about the version, not about other members.
func decodeVersioned(body []byte, s *strict.Schema, into any, v *int) error {
	err := strict.Decode(body, s, into)
	version := *v
	if err != nil {
		version = Version
		var peek struct {
			V int `json:"v"`
		}
		if json.Unmarshal(body, &peek) == nil && peek.V > 0 {
			version = peek.V
		}
	}
	if version != Version {
		return fmt.Errorf("%w: v is %d, want %d", ErrVersion, version, Version)
	}
	return err
}

// DecodeStatement decodes the text of a statement strictly, as DecodeRequest does
// within a request.
func DecodeStatement(text string) (*Statement, error) {
	s := new(Statement)
	if err := decodeStatement(text, s); err != nil {
		return nil, malformed(strict.AtPath("statement", err))
	}
	return s, nil
}

func decodeStatement(text string, s *Statement) error {
	if err := strict.Decode([]byte(text), statementSchema, s); err != nil {
		// Of a type that is not known, its name matters, not its other members.
		var peek struct {
			Type string `json:"type"`
		}
		if json.Unmarshal([]byte(text), &peek) == nil && peek.Type != "" {
			return first(checkType(peek.Type), err)
		}
		return err
	}
	return s.check()
}

func (r *Request) decodeLeaf(b *requestBody) error {
	leaves := r.Statement.Type != TypeDiscover
	switch {
	case leaves != (b.Leaf != ""):
		return checkPresence("leaf", leaves, r.Statement.Type)
	case leaves != (b.Path != nil):
		return checkPresence("path", leaves, r.Statement.Type)
	case !leaves:
		return nil
	}
	if err := strict.Decode([]byte(b.Leaf), leafSchema, &r.Leaf); err != nil {
		return strict.AtPath("leaf", err)
	}
	if err := r.Leaf.check(r.Statement.Size); err != nil {
		return strict.AtPath("leaf", err)
	}
	return verifyInclusion(b.Leaf, r.Leaf.Index, r.Statement.Size, *b.Path, r.Statement.Root)
}

// CorrelationID is the AMQP correlation id of the request and of all replies to
// it: the job, or the task of a discover.
func (r *Request) CorrelationID() string {
	if r.Statement.Type == TypeDiscover {
		return r.Statement.Task
	}
	return r.Leaf.Job
}

// Agrees checks that the message's AMQP properties say what its body says. The
// body decides; properties that differ show a confused or meddling sender. The
// error is ErrMalformed.
func (r *Request) Agrees(typ, correlationID, replyTo string) error {
	switch {
	case typ != r.Statement.Type:
		return malformed(strict.Invalid("property type", "differs from statement.type"))
	case correlationID != r.CorrelationID() && r.Statement.Type == TypeDiscover:
		return malformed(strict.Invalid("property correlation_id", "differs from statement.task"))
	case correlationID != r.CorrelationID():
		return malformed(strict.Invalid("property correlation_id", "differs from leaf.job"))
	case replyTo != r.Statement.ReplyTo:
		return malformed(strict.Invalid("property reply_to", "differs from statement.reply_to"))
	}
	return nil
}

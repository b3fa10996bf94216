package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
)

// A reply is a pointer to one of the types with a JSON body.
type reply interface {
	head() (version *int, agent, job *string) // job is nil where the type has none
	check() error
}

func (a *Accepted) head() (version *int, agent, job *string) { return &a.V, &a.Agent, &a.Job }
func (s *Started) head() (version *int, agent, job *string)  { return &s.V, &s.Agent, &s.Job }
func (t *Transfer) head() (version *int, agent, job *string) { return &t.V, &t.Agent, &t.Job }
func (e *Ended) head() (version *int, agent, job *string)    { return &e.V, &e.Agent, &e.Job }
func (s *State) head() (version *int, agent, job *string)    { return &s.V, &s.Agent, &s.Job }
func (c *Checked) head() (version *int, agent, job *string)  { return &c.V, &c.Agent, &c.Job }
func (g *Granted) head() (version *int, agent, job *string)  { return &g.V, &g.Agent, &g.Job }
func (h *Hello) head() (version *int, agent, job *string)    { return &h.V, &h.Agent, nil }

// A replyType is how replies of a type are decoded.
type replyType struct {
	schema *strict.Schema
	make   func() reply
}

func replyTypeOf[T any, P interface {
	*T
	reply
}]() replyType {
	return replyType{strict.SchemaOf(reflect.TypeFor[T]()), func() reply { return P(new(T)) }}
}

// replyTypes has the replies that DecodeReply decodes as JSON.
var replyTypes = map[string]replyType{
	TypeAccepted: replyTypeOf[Accepted](),
	TypeStarted:  replyTypeOf[Started](),
	TypeTransfer: replyTypeOf[Transfer](),
	TypeEnded:    replyTypeOf[Ended](),
	TypeState:    replyTypeOf[State](),
	TypeChecked:  replyTypeOf[Checked](),
	TypeGranted:  replyTypeOf[Granted](),
	TypeHello:    replyTypeOf[Hello](),
}

// SetAgent names the agent that sends a reply. A reply about a job may already have the id under which
// the job was accepted: its operator accepts no other.
func SetAgent(v any, id string) {
	if r, ok := v.(reply); ok {
		if _, agent, _ := r.head(); *agent == "" {
			*agent = id
		}
	}
}

// EncodeReply returns the AMQP type and the body of a pointer to Accepted,
// Started, Transfer, Ended, State, Checked, Granted or Hello. It sets V, cuts Reason and Rule to
// MaxReason, makes texts of the agent's system UTF-8, and leaves Checked.Argv out where the body
// would exceed MaxReply, entries of the lists of a Granted, and of a Hello the facts that it
// can do without where it would exceed MaxHello; *v stays as it is. The errors are ErrMalformed and
// ErrTooLarge: v is not what DecodeReply would accept.
func EncodeReply(v any) (typ string, body []byte, err error) {
	typ, r := cleaned(v)
	if r == nil {
		return "", nil, fmt.Errorf("%w: %T is no reply", ErrType, v)
	}
	version, _, _ := r.head()
	*version = Version
	if err := r.check(); err != nil {
		return "", nil, malformed(err)
	}
	if body, err = json.Marshal(r, strict.EncodeOptions); err != nil {
		return "", nil, malformed(strict.Explain(err))
	}
	if c, ok := r.(*Checked); ok && len(body) > MaxReply && c.Argv != nil {
		c.Argv = nil
		return EncodeReply(c)
	}
	if g, ok := r.(*Granted); ok && len(body) > MaxReply && g.shorten() {
		return EncodeReply(g)
	}
	if h, ok := r.(*Hello); ok && len(body) > MaxHello && h.Facts.dropOptional() {
		return EncodeReply(h)
	}
	if limit := maxBody(typ); len(body) > limit {
		return "", nil, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrTooLarge, typ, len(body), limit)
	}
	return typ, body, nil
}

// maxBody is the largest body of a reply of that type.
func maxBody(typ string) int {
	switch typ {
	case TypeOutput:
		return MaxChunk
	case TypeHello:
		return MaxHello
	}
	return MaxReply
}

// dropOptional drops the members that a hello may omit when it is too long, if there are any.
func (f *Facts) dropOptional() bool {
	dropped := f.Addresses != nil || f.Distribution != "" || f.DistributionVersion != "" || f.Kernel != ""
	f.Addresses, f.Distribution, f.DistributionVersion, f.Kernel = nil, "", "", ""
	return dropped
}

// cleaned returns a copy whose texts for people are valid UTF-8 and short enough.
func cleaned(v any) (typ string, r reply) {
	switch v := v.(type) {
	case *Accepted:
		return TypeAccepted, copied(v)
	case *Started:
		return TypeStarted, copied(v)
	case *Transfer:
		return TypeTransfer, copied(v)
	case *Ended:
		c := *v
		c.Reason = cleanReason(c.Reason)
		return TypeEnded, &c
	case *State:
		c := *v
		c.Reason = cleanReason(c.Reason)
		return TypeState, &c
	case *Checked:
		c := *v
		c.Reason, c.Rule = cleanReason(c.Reason), cleanReason(c.Rule)
		c.Binary, c.Cwd = cleanUTF8(c.Binary), cleanUTF8(c.Cwd)
		return TypeChecked, &c
	case *Granted:
		c := *v
		c.clean()
		return TypeGranted, &c
	case *Hello:
		c := *v
		c.RefusedFiles = slices.Clone(c.RefusedFiles)
		for i := range c.RefusedFiles {
			f := &c.RefusedFiles[i]
			f.Path, f.Reason = strict.Clip(cleanUTF8(f.Path), MaxFileName), cleanReason(f.Reason)
		}
		return TypeHello, &c
	}
	return "", nil
}

func copied[T any](v *T) *T {
	c := *v
	return &c
}

// cleanReason makes a reason valid UTF-8 and cuts it to MaxReason: it often quotes an error
// of the system, with file names of any length and encoding.
func cleanReason(s string) string {
	const more = "…"
	s = cleanUTF8(s)
	if len(s) > MaxReason {
		s = strict.Clip(s, MaxReason-len(more)) + more
	}
	return s
}

func cleanUTF8(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }

// DecodeReply decodes a reply strictly, from its AMQP type, body, headers and
// correlation id, into a pointer to Accepted, Started, Transfer, Ended, State, Checked,
// Granted, Hello or Output. The body's job must equal the correlation id, which is the task's id
// for hello. DecodeReply ignores headers other than those of output. The errors are
// ErrVersion, ErrType, ErrTooLarge and ErrMalformed.
func DecodeReply(typ string, body []byte, headers map[string]any, correlationID string) (any, error) {
	limit := maxBody(typ)
	if len(body) > limit {
		return nil, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrTooLarge, strict.Clip(typ, 40), len(body), limit)
	}
	if !isUUID(correlationID) {
		return nil, malformed(strict.Invalid("property correlation_id", "is not a UUID of version 4 in lower case"))
	}
	if typ == TypeOutput {
		return decodeOutput(body, headers, correlationID)
	}
	known, ok := replyTypes[typ]
	if !ok {
		return nil, fmt.Errorf("%w: property type is %q", ErrType, strict.Clip(typ, 40))
	}
	r := known.make()
	version, _, job := r.head()
	if err := decodeVersioned(body, known.schema, r, version); err != nil {
		return nil, malformed(err)
	}
	if job != nil && *job != correlationID {
		return nil, malformed(strict.Invalid("job", "differs from property correlation_id"))
	}
	if err := r.check(); err != nil {
		return nil, malformed(err)
	}
	return r, nil
}

func decodeOutput(body []byte, headers map[string]any, job string) (any, error) {
	o := &Output{Job: job, Data: body}
	o.Stream, _ = headers[HeaderStream].(string)
	var ok bool
	o.Offset, ok = integer(headers[HeaderOffset])
	switch {
	case o.Stream != Stdout && o.Stream != Stderr:
		return nil, malformed(strict.Invalid("header stream", "is neither %s nor %s", Stdout, Stderr))
	case !ok:
		return nil, malformed(strict.Invalid("header offset", "is missing or not an integer"))
	case o.Offset < 0 || o.Offset > MaxSize-MaxChunk:
		return nil, malformed(strict.Invalid("header offset", "is out of range"))
	case len(body) == 0:
		return nil, malformed(strict.Invalid("", "of an output is empty"))
	}
	return o, nil
}

// integer takes any of AMQP's integer types, since which one arrives depends on
// the client library that sent it.
func integer(v any) (int64, bool) {
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return r.Int(), true
	case r.CanUint() && r.Uint() <= MaxSize:
		return int64(r.Uint()), true
	}
	return 0, false
}

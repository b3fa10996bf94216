package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// A reply is a pointer to one of the types with a JSON body.
type reply interface {
	version() *int
	job() *string // nil where the type has none
	check() error
}

func (a *Accepted) version() *int { return &a.V }
func (s *Started) version() *int  { return &s.V }
func (e *Ended) version() *int    { return &e.V }
func (s *State) version() *int    { return &s.V }
func (c *Checked) version() *int  { return &c.V }
func (g *Granted) version() *int  { return &g.V }
func (h *Hello) version() *int    { return &h.V }

func (a *Accepted) job() *string { return &a.Job }
func (s *Started) job() *string  { return &s.Job }
func (e *Ended) job() *string    { return &e.Job }
func (s *State) job() *string    { return &s.Job }
func (c *Checked) job() *string  { return &c.Job }
func (g *Granted) job() *string  { return &g.Job }
func (h *Hello) job() *string    { return nil }

// replySchemas has the replies that DecodeReply decodes as JSON.
var replySchemas = map[string]*schema{
	TypeAccepted: schemaOf(reflect.TypeFor[Accepted]()),
	TypeStarted:  schemaOf(reflect.TypeFor[Started]()),
	TypeEnded:    schemaOf(reflect.TypeFor[Ended]()),
	TypeState:    schemaOf(reflect.TypeFor[State]()),
	TypeChecked:  schemaOf(reflect.TypeFor[Checked]()),
	TypeGranted:  schemaOf(reflect.TypeFor[Granted]()),
	TypeHello:    schemaOf(reflect.TypeFor[Hello]()),
}

func newReply(typ string) reply {
	switch typ {
	case TypeAccepted:
		return new(Accepted)
	case TypeStarted:
		return new(Started)
	case TypeEnded:
		return new(Ended)
	case TypeState:
		return new(State)
	case TypeChecked:
		return new(Checked)
	case TypeGranted:
		return new(Granted)
	case TypeHello:
		return new(Hello)
	}
	return nil
}

// EncodeReply returns the AMQP type and the body of a pointer to Accepted,
// Started, Ended, State, Checked, Granted or Hello. It sets V, cuts Reason and Rule to
// MaxReason, makes texts of the agent's system UTF-8, and leaves Checked.Argv out where the body
// would exceed MaxReply, entries of the lists of a Granted, and of a Hello the facts that it
// can do without where it would exceed MaxHello; *v stays as it is. The errors are ErrMalformed and
// ErrTooLarge: v is not what DecodeReply would accept.
func EncodeReply(v any) (typ string, body []byte, err error) {
	typ, r := cleaned(v)
	if r == nil {
		return "", nil, fmt.Errorf("%w: %T is no reply", ErrType, v)
	}
	*r.version() = Version
	if err := r.check(); err != nil {
		return "", nil, malformed(err)
	}
	if body, err = json.Marshal(r, encodeOptions); err != nil {
		return "", nil, malformed(explain(err))
	}
	if c, ok := r.(*Checked); ok && len(body) > MaxReply && c.Argv != nil {
		c.Argv = nil
		return EncodeReply(c)
	}
	if g, ok := r.(*Granted); ok && len(body) > MaxReply && g.shorten() {
		return EncodeReply(g)
	}
	if h, ok := r.(*Hello); ok && len(body) > MaxHello && h.Facts.hasOptional() {
		h.Facts.dropOptional()
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

// hasOptional reports whether facts have members that a hello may omit when it is too
// long.
func (f *Facts) hasOptional() bool {
	return f.Addresses != nil || f.Distribution != "" || f.DistributionVersion != "" || f.Kernel != ""
}

func (f *Facts) dropOptional() {
	f.Addresses, f.Distribution, f.DistributionVersion, f.Kernel = nil, "", "", ""
}

// cleaned returns a copy whose texts for people are valid UTF-8 and short enough.
func cleaned(v any) (typ string, r reply) {
	switch v := v.(type) {
	case *Accepted:
		c := *v
		return TypeAccepted, &c
	case *Started:
		c := *v
		return TypeStarted, &c
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
			f.Path, f.Reason = clip(cleanUTF8(f.Path), MaxFileName), cleanReason(f.Reason)
		}
		return TypeHello, &c
	}
	return "", nil
}

// cleanReason makes a reason valid UTF-8 and cuts it to MaxReason: it often quotes an error
// of the system, with file names of any length and encoding.
func cleanReason(s string) string {
	const more = "…"
	s = cleanUTF8(s)
	if len(s) > MaxReason {
		s = clip(s, MaxReason-len(more)) + more
	}
	return s
}

func cleanUTF8(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }

// DecodeReply decodes a reply strictly, from its AMQP type, body, headers and
// correlation id, into a pointer to Accepted, Started, Ended, State, Checked,
// Granted, Hello or Output. The body's job must equal the correlation id, which is the task's id
// for hello. DecodeReply ignores headers other than those of output. The errors are
// ErrVersion, ErrType, ErrTooLarge and ErrMalformed.
func DecodeReply(typ string, body []byte, headers map[string]any, correlationID string) (any, error) {
	limit := maxBody(typ)
	if len(body) > limit {
		return nil, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrTooLarge, clip(typ, 40), len(body), limit)
	}
	if !isUUID(correlationID) {
		return nil, malformed(invalid("property correlation_id", "is not a UUID of version 4 in lower case"))
	}
	if typ == TypeOutput {
		return decodeOutput(body, headers, correlationID)
	}
	r := newReply(typ)
	if r == nil {
		return nil, fmt.Errorf("%w: property type is %q", ErrType, clip(typ, 40))
	}
	if err := decodeVersioned(body, replySchemas[typ], r, r.version()); err != nil {
		return nil, malformed(err)
	}
	if job := r.job(); job != nil && *job != correlationID {
		return nil, malformed(invalid("job", "differs from property correlation_id"))
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
		return nil, malformed(invalid("header stream", "is neither %s nor %s", Stdout, Stderr))
	case !ok:
		return nil, malformed(invalid("header offset", "is missing or not an integer"))
	case o.Offset < 0 || o.Offset > MaxSize-MaxChunk:
		return nil, malformed(invalid("header offset", "is out of range"))
	case len(body) == 0:
		return nil, malformed(invalid("", "of an output is empty"))
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

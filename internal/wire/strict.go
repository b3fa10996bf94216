package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encodeOptions make the same bytes of the same value, always.
var encodeOptions = json.JoinOptions(json.Deterministic(true))

// A shape is what a JSON value must look like, derived from the Go type that
// bears it. Checking a text against its shape first, and only then giving it to
// the JSON library, finds what the library accepts: missing members, nulls,
// optional members without a value, base64 in more than one form. It also names
// the member at fault. The library still judges all the rest.
type shape struct {
	kinds    string // first bytes that a value may have, as jsontext.Kind
	name     string // for error texts
	members  map[string]*member
	required uint64 // bits of the members that must be there
	elem     *shape // of a list or a map
	bytes    bool
	whole    bool
}

type member struct {
	*shape
	name     string
	bit      uint64
	nonempty bool // optional, and not a pointer: there only with a value
}

func shapeOf(t reflect.Type) *shape {
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Bool:
		return &shape{kinds: "tf", name: "a boolean"}
	case reflect.Int, reflect.Int64:
		return &shape{kinds: "0", name: "an integer", whole: true}
	case reflect.String:
		return &shape{kinds: `"`, name: "a string"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &shape{kinds: `"`, name: "a base64 string", bytes: true}
		}
		return &shape{kinds: "[", name: "an array", elem: shapeOf(t.Elem())}
	case reflect.Map:
		return &shape{kinds: "{", name: "an object", elem: shapeOf(t.Elem())}
	case reflect.Struct:
		return structShape(t)
	}
	panic("no shape for " + t.String())
}

func structShape(t reflect.Type) *shape {
	s := &shape{kinds: "{", name: "an object", members: make(map[string]*member)}
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, optional := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || optional && option != "omitzero" && option != "omitempty" {
			panic("no member for " + t.String() + "." + f.Name)
		}
		m := &member{shape: shapeOf(f.Type), name: name, bit: 1 << i}
		if !optional {
			s.required |= m.bit
		}
		m.nonempty = optional && f.Type.Kind() != reflect.Pointer
		s.members[name] = m
	}
	return s
}

// decoders spares most of what decoding a small reply would allocate.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// decodeStrict decodes a text that must have exactly the shape of *into.
func decodeStrict(text []byte, s *shape, into any) error {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	dec.Reset(bytes.NewBuffer(text)) // which it reads without a copy
	if _, err := s.check(dec); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into, json.RejectUnknownMembers(true)); err != nil {
		return explain(err)
	}
	return nil
}

// check reads one value and reports whether it is empty: "", 0, false, [], {}.
func (s *shape) check(dec *jsontext.Decoder) (empty bool, err error) {
	kind := dec.PeekKind()
	switch {
	case kind == jsontext.KindInvalid:
		_, err := dec.ReadToken()
		return false, explain(err)
	case kind == jsontext.KindNull:
		return false, faulty("", "is null")
	case strings.IndexByte(s.kinds, byte(kind)) < 0:
		return false, faulty("", "is not %s", s.name)
	case s.members != nil:
		return s.checkObject(dec)
	case kind == jsontext.KindBeginObject:
		return s.checkMap(dec)
	case kind == jsontext.KindBeginArray:
		return s.checkArray(dec)
	}
	return s.checkScalar(dec)
}

func (s *shape) checkObject(dec *jsontext.Decoder) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, explain(err)
	}
	var seen uint64
	for dec.PeekKind() != jsontext.KindEndObject {
		m, err := s.nextMember(dec)
		if err != nil {
			return false, err
		}
		empty, err := m.check(dec)
		if err != nil {
			return false, under(m.name, err)
		}
		if empty && m.nonempty {
			return false, faulty(m.name, "is empty: without a value it must be left out")
		}
		seen |= m.bit
	}
	if missing := s.required &^ seen; missing != 0 {
		return false, faulty(s.firstOf(missing), "is missing")
	}
	_, err = dec.ReadToken()
	return seen == 0, explain(err)
}

func (s *shape) nextMember(dec *jsontext.Decoder) (*member, error) {
	quoted, err := dec.ReadValue() // a repeated name is an error here
	if err != nil {
		return nil, explain(err)
	}
	name, err := unquote(quoted)
	if err != nil {
		return nil, err
	}
	if m := s.members[string(name)]; m != nil {
		return m, nil
	}
	return nil, faulty(strconv.Quote(clip(string(name), 40)), "is not a member here")
}

func (s *shape) firstOf(bits uint64) string {
	lowest := bits & -bits
	for name, m := range s.members {
		if m.bit == lowest {
			return name
		}
	}
	return ""
}

func (s *shape) checkMap(dec *jsontext.Decoder) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, explain(err)
	}
	empty = true
	for dec.PeekKind() != jsontext.KindEndObject {
		if _, err := dec.ReadValue(); err != nil {
			return false, explain(err)
		}
		if _, err := s.elem.check(dec); err != nil {
			return false, err
		}
		empty = false
	}
	_, err = dec.ReadToken()
	return empty, explain(err)
}

func (s *shape) checkArray(dec *jsontext.Decoder) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, explain(err)
	}
	n := 0
	for dec.PeekKind() != jsontext.KindEndArray {
		if _, err := s.elem.check(dec); err != nil {
			return false, under("["+strconv.Itoa(n)+"]", err)
		}
		n++
	}
	_, err = dec.ReadToken()
	return n == 0, explain(err)
}

func (s *shape) checkScalar(dec *jsontext.Decoder) (empty bool, err error) {
	value, err := dec.ReadValue()
	switch {
	case err != nil:
		return false, explain(err)
	case s.whole:
		return checkInteger(value)
	case s.bytes:
		return checkBase64(value)
	}
	return string(value) == "false" || string(value) == `""`, nil
}

func checkInteger(value jsontext.Value) (zero bool, err error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || string(value) == "-0" {
		return false, faulty("", "is not an integer of 64 bits")
	}
	return n == 0, nil
}

// checkBase64 refuses bits that the final quantum does not use (RFC 4648,
// section 3.5), so that bytes have one form. The JSON library looks at the rest.
func checkBase64(value jsontext.Value) (empty bool, err error) {
	text, err := unquote(value)
	if err != nil || len(text) == 0 {
		return true, err
	}
	var last [3]byte
	if _, err := base64.StdEncoding.Strict().Decode(last[:], text[max(0, len(text)-4):]); err != nil {
		return false, faulty("", "is not standard base64")
	}
	return false, nil
}

func unquote(value jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return text, explain(err)
}

// explain turns an error of the JSON library into a fault, without the values
// that the library likes to quote.
func explain(err error) error {
	if err == nil {
		return nil
	}
	return explained(err)
}

func explained(err error) error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntactic):
		return faulty(strconv.Quote(clip(syntactic.JSONPointer.LastToken(), 40)), "is repeated")
	case errors.As(err, &syntactic):
		return faulty("", "is not JSON at byte %d", syntactic.ByteOffset)
	case errors.As(err, &semantic) && semantic.GoType == reflect.TypeFor[[]byte]():
		return faulty(pathOf(semantic.JSONPointer), "is not standard base64")
	case errors.As(err, &semantic):
		return faulty(pathOf(semantic.JSONPointer), "has no valid value")
	}
	return faulty("", "is not JSON: it ends too early")
}

func pathOf(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			fmt.Fprintf(&b, "[%s]", clip(token, 40))
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(token, 40))
	}
	return b.String()
}

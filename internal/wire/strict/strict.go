// Package strict decodes JSON that must have exactly the form of a Go type.
package strict

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/bits"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// EncodeOptions make the same bytes of the same value, always.
var EncodeOptions = json.JoinOptions(json.Deterministic(true))

// A Schema is the form of a JSON value, derived from its Go type. The JSON library reads
// the syntax. The schema refuses what the library would accept: unknown, missing and
// repeated members, nulls, optional members without a value, and base64 in more than one
// form. Errors name the invalid member.
type Schema struct {
	kinds    string // first bytes that a value may have, as jsontext.Kind
	name     string // for error texts
	members  []member
	required uint64  // bits of the members that must be there
	elem     *Schema // of a list or a map
	read     func(dec *jsontext.Decoder, s *Schema, v reflect.Value) (empty bool, err error)
}

// A member is that of the field with its index, and bit 1 << index.
type member struct {
	schema   *Schema
	name     string
	nonempty bool // optional, and not a pointer: there only with a value
}

// SchemaOf returns the schema of a Go type: structs, maps, slices, strings, integers, booleans, and
// pointers to them. It panics at other types.
func SchemaOf(t reflect.Type) *Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return SchemaOf(t.Elem())
	case reflect.Bool:
		return &Schema{kinds: "tf", name: "a boolean", read: readBool}
	case reflect.Int, reflect.Int64:
		return &Schema{kinds: "0", name: "an integer", read: readInteger}
	case reflect.String:
		return &Schema{kinds: `"`, name: "a string", read: readString}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &Schema{kinds: `"`, name: "a base64 string", read: readBytes}
		}
		return &Schema{kinds: "[", name: "an array", elem: SchemaOf(t.Elem()), read: readArray}
	case reflect.Map:
		return &Schema{kinds: "{", name: "an object", elem: SchemaOf(t.Elem()), read: readMap}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("no shape for " + t.String())
}

func structSchema(t reflect.Type) *Schema {
	s := &Schema{kinds: "{", name: "an object", read: readObject}
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, optional := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || optional && option != "omitzero" && option != "omitempty" {
			panic("no member for " + t.String() + "." + f.Name)
		}
		if !optional {
			s.required |= 1 << i
		}
		s.members = append(s.members, member{SchemaOf(f.Type), name, optional && f.Type.Kind() != reflect.Pointer})
	}
	return s
}

// Names returns the names of all members, at any depth.
func (s *Schema) Names() (names []string) {
	for _, m := range s.members {
		names = append(append(names, m.name), m.schema.Names()...)
	}
	return names
}

// Depth returns how many objects and arrays are inside each other, at most.
func (s *Schema) Depth() (deepest int) {
	for _, m := range s.members {
		deepest = max(deepest, m.schema.Depth())
	}
	if s.elem != nil {
		deepest = s.elem.Depth()
	}
	if s.members != nil || s.elem != nil {
		deepest++
	}
	return deepest
}

// decoders spares most of what decoding a small reply would allocate.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// Decode decodes a text that must have exactly the shape of *into, in one
// pass. Where the text is refused, *into has some of it.
func Decode(text []byte, s *Schema, into any) error {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	// The text is read without a copy. A repeated name is found here, where its
	// member is known; the library would keep account of all names.
	dec.Reset(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if _, err := s.decode(dec, reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	if rest := bytes.TrimLeft(text[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return Invalid("", "is not JSON at byte %d", len(text)-len(rest))
	}
	return nil
}

// decode reads one value into v and reports whether it is empty: "", 0, false,
// [], {}.
func (s *Schema) decode(dec *jsontext.Decoder, v reflect.Value) (empty bool, err error) {
	kind := dec.PeekKind()
	switch {
	case kind == jsontext.KindInvalid:
		_, err := dec.ReadToken()
		return false, Explain(err)
	case kind == jsontext.KindNull:
		return false, Invalid("", "is null")
	case strings.IndexByte(s.kinds, byte(kind)) < 0:
		return false, Invalid("", "is not %s", s.name)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return s.read(dec, s, v)
}

func readObject(dec *jsontext.Decoder, s *Schema, v reflect.Value) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, Explain(err)
	}
	var seen uint64
	for next := 0; dec.PeekKind() != jsontext.KindEndObject; next++ {
		if next, err = s.nextMember(dec, next); err != nil {
			return false, err
		}
		m := &s.members[next]
		if seen>>next&1 != 0 {
			return false, Invalid(strconv.Quote(m.name), "is repeated")
		}
		empty, err := m.schema.decode(dec, v.Field(next))
		if err != nil {
			return false, AtPath(m.name, err)
		}
		if empty && m.nonempty {
			return false, Invalid(m.name, "is empty: without a value it must be left out")
		}
		seen |= 1 << next
	}
	if missing := s.required &^ seen; missing != 0 {
		return false, Invalid(s.members[bits.TrailingZeros64(missing)].name, "is missing")
	}
	_, err = dec.ReadToken()
	return seen == 0, Explain(err)
}

// nextMember reads a name and returns the index of its member. Looking begins
// with that of the index given, since most writers keep to the order.
func (s *Schema) nextMember(dec *jsontext.Decoder, from int) (int, error) {
	quoted, err := dec.ReadValue()
	if err != nil {
		return 0, Explain(err)
	}
	name, err := unquote(quoted)
	if err != nil {
		return 0, err
	}
	for n := range len(s.members) {
		if i := (from + n) % len(s.members); s.members[i].name == string(name) {
			return i, nil
		}
	}
	return 0, Invalid(strconv.Quote(Clip(string(name), 40)), "is not a member here")
}

// readMap reads a map from strings to scalars.
func readMap(dec *jsontext.Decoder, s *Schema, v reflect.Value) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, Explain(err)
	}
	v.Set(reflect.MakeMap(v.Type()))
	elem := reflect.New(v.Type().Elem()).Elem()
	for dec.PeekKind() != jsontext.KindEndObject {
		quoted, err := dec.ReadValue()
		if err != nil {
			return false, Explain(err)
		}
		name, err := unquote(quoted)
		if err != nil {
			return false, err
		}
		key := reflect.ValueOf(string(name)) // a copy: name is valid until the next read
		if v.MapIndex(key).IsValid() {
			return false, Invalid(strconv.Quote(Clip(string(name), 40)), "is repeated")
		}
		if _, err := s.elem.decode(dec, elem); err != nil {
			return false, err
		}
		v.SetMapIndex(key, elem)
	}
	_, err = dec.ReadToken()
	return v.Len() == 0, Explain(err)
}

func readArray(dec *jsontext.Decoder, s *Schema, v reflect.Value) (empty bool, err error) {
	if _, err := dec.ReadToken(); err != nil {
		return false, Explain(err)
	}
	n := 0
	for dec.PeekKind() != jsontext.KindEndArray {
		if n == v.Cap() {
			v.Grow(max(4, n))
		}
		v.SetLen(n + 1)
		if _, err := s.elem.decode(dec, v.Index(n)); err != nil {
			return false, AtPath("["+strconv.Itoa(n)+"]", err)
		}
		n++
	}
	if n == 0 {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	_, err = dec.ReadToken()
	return n == 0, Explain(err)
}

func readBool(dec *jsontext.Decoder, _ *Schema, v reflect.Value) (empty bool, err error) {
	value, err := dec.ReadValue()
	if err != nil {
		return false, Explain(err)
	}
	v.SetBool(value.Kind() == jsontext.KindTrue)
	return !v.Bool(), nil
}

func readInteger(dec *jsontext.Decoder, _ *Schema, v reflect.Value) (empty bool, err error) {
	value, err := dec.ReadValue()
	if err != nil {
		return false, Explain(err)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || string(value) == "-0" {
		return false, Invalid("", "is not an integer of 64 bits")
	}
	if v.OverflowInt(n) { // an int of 32 bits
		return false, Invalid("", "has no valid value")
	}
	v.SetInt(n)
	return n == 0, nil
}

func readString(dec *jsontext.Decoder, _ *Schema, v reflect.Value) (empty bool, err error) {
	text, err := readText(dec)
	if err != nil {
		return false, err
	}
	v.SetString(string(text))
	return len(text) == 0, nil
}

// Base64 refuses bits that the final quantum does not use (RFC 4648,
// section 3.5), so that bytes have one form.
var Base64 = base64.StdEncoding.Strict()

func readBytes(dec *jsontext.Decoder, _ *Schema, v reflect.Value) (empty bool, err error) {
	text, err := readText(dec)
	if err != nil {
		return false, err
	}
	data := make([]byte, Base64.DecodedLen(len(text)))
	n, err := Base64.Decode(data, text)
	if err != nil || Base64.EncodedLen(n) != len(text) { // line breaks are skipped by Decode
		return false, Invalid("", "is not standard base64")
	}
	v.SetBytes(data[:n:n])
	return n == 0, nil
}

// readText reads a string, which is valid until the next is read.
func readText(dec *jsontext.Decoder) ([]byte, error) {
	value, err := dec.ReadValue()
	if err != nil {
		return nil, Explain(err)
	}
	return unquote(value)
}

func unquote(value jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(value)), value)
	return text, Explain(err)
}

// Explain turns an error of the JSON library into a Fault, without the values
// that the library likes to quote.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	return explainDecodeError(err)
}

func explainDecodeError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return Invalid("", "is not JSON at byte %d", syntactic.ByteOffset)
	}
	return Invalid("", "is not JSON: it ends too early")
}

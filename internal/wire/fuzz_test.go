package wire

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"

	"warren/internal/hostname"
	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
)

// oneOf fails unless the error is one that callers can tell apart.
func oneOf(t *testing.T, err error) {
	t.Helper()
	for _, known := range []error{ErrMalformed, ErrVersion, ErrType, ErrTooLarge} {
		if errors.Is(err, known) {
			if len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
	}
	t.Errorf("unknown error: %v", err)
}

// asTheLibrary checks what was decoded of a text against what the JSON library
// makes of it.
func asTheLibrary(t *testing.T, text []byte, decoded any) {
	t.Helper()
	want := reflect.New(reflect.TypeOf(decoded).Elem()).Interface()
	if err := json.Unmarshal(text, want, json.RejectUnknownMembers(true)); err != nil || !reflect.DeepEqual(decoded, want) {
		t.Errorf("%s\nbecame %+v\nwant   %+v %v", text, decoded, want, err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, typ := range []string{TypeRun, TypeCheck, TypeCancel, TypeStatus} {
		f.Add(sampleBatch(f, sampleStatement(typ), 3).Body(2))
		f.Add(sampleBatch(f, sampleStatement(typ), 1).Body(0))
	}
	broadcast, err := NewBroadcast(sampleStatement(TypeDiscover), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(broadcast)
	f.Add([]byte(bodyOf(runText, leafText, "")))
	f.Add([]byte(bodyOf(unboundedText, leafText, "")))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		if err != nil {
			oneOf(t, err)
			return
		}
		if r.Digest != sha256.Sum256(body) {
			t.Error("another digest")
		}
		asTheLibrary(t, []byte(r.StatementText), &r.Statement)
		text, err := json.Marshal(&r.Statement, strict.EncodeOptions)
		if err != nil {
			t.Fatal(err)
		}
		var again Statement
		if err := decodeStatement(string(text), &again); err != nil || !reflect.DeepEqual(again, r.Statement) {
			t.Errorf("%v: %s", err, text)
		}
		if r.Statement.Type != TypeDiscover && (!hostname.IsNormal(r.Leaf.Host) || !isUUID(r.Leaf.Job) || r.Leaf.Index >= r.Statement.Size) {
			t.Errorf("%+v", r.Leaf)
		}
		if err := r.Agrees(r.Statement.Type, r.CorrelationID(), r.Statement.ReplyTo); err != nil {
			t.Error(err)
		}
	})
}

// FuzzStatement spoils the statement behind a right root, where fuzzing whole
// bodies seldom gets.
func FuzzStatement(f *testing.F) {
	for _, typ := range []string{TypeRun, TypeCheck, TypeCancel, TypeStatus} {
		text, _ := sampleBatch(f, sampleStatement(typ), 3).Statement()
		f.Add(text)
	}
	f.Add(runText)
	f.Add(unboundedText)
	f.Fuzz(func(t *testing.T, text string) {
		var st, again Statement
		if err := decodeStatement(text, &st); err != nil {
			if err = malformed(err); !errors.Is(err, ErrType) {
				oneOf(t, err)
			}
			return
		}
		asTheLibrary(t, []byte(text), &st)
		b, err := json.Marshal(&st, strict.EncodeOptions)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeStatement(string(b), &again); err != nil || !reflect.DeepEqual(again, st) {
			t.Errorf("%v: %s", err, b)
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	for name := range sampleReplies() {
		typ, body, id := encodeSample(f, name)
		f.Add(typ, []byte(body), "", int64(0), id)
	}
	f.Add(TypeOutput, []byte("ok\n"), Stdout, int64(7), sampleJob(0))
	f.Fuzz(func(t *testing.T, typ string, body []byte, stream string, offset int64, id string) {
		v, err := DecodeReply(typ, body, map[string]any{HeaderStream: stream, HeaderOffset: offset}, id)
		if err != nil {
			oneOf(t, err)
			return
		}
		if o, ok := v.(*Output); ok {
			if o.Offset < 0 || len(o.Data) == 0 || len(o.Data) > MaxChunk || o.Job != id {
				t.Errorf("%+v", o)
			}
			return
		}
		asTheLibrary(t, body, v)
		typ2, encoded, err := EncodeReply(v)
		if err != nil || typ2 != typ {
			t.Fatalf("%s %v: %+v", typ2, err, v)
		}
		again, err := DecodeReply(typ, encoded, nil, id)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%v: %s", err, encoded)
		}
		if _, twice, err := EncodeReply(again); err != nil || !bytes.Equal(twice, encoded) {
			t.Errorf("%v: %s", err, twice)
		}
	})
}

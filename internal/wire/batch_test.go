package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"warren/internal/hostname"
)

func TestEveryBodyOfABatchDecodes(t *testing.T) {
	for _, typ := range []string{TypeRun, TypeCheck, TypeCancel, TypeStatus} {
		for _, n := range []int{1, 2, 3, 7, 64, 130} {
			b := sampleBatch(t, sampleStatement(typ), n)
			text, signature := b.Statement()
			for i, leaf := range sampleLeaves(n) {
				body := b.Body(i)
				r, err := DecodeRequest(body)
				if err != nil {
					t.Fatalf("%s %d/%d: %v\n%s", typ, i, n, err, body)
				}
				if r.Leaf != leaf || r.StatementText != text || r.Signature != signature || r.Statement.Size != n {
					t.Fatalf("%s %d/%d: %+v", typ, i, n, r)
				}
				if want := sha256.Sum256(body); b.Digest(i) != want || r.Digest != want {
					t.Fatalf("%s %d/%d: another digest", typ, i, n)
				}
				if !bytes.Equal(body, b.Body(i)) {
					t.Fatal("a body changes")
				}
			}
		}
	}
}

func TestBatchOfTenThousandHostsDecodes(t *testing.T) {
	const n = 10_000
	b := sampleBatch(t, sampleStatement(TypeRun), n)
	for i := range n {
		if _, err := DecodeRequest(b.Body(i)); err != nil {
			t.Fatal(i, err)
		}
	}
}

func TestBroadcastDecodes(t *testing.T) {
	body, err := NewBroadcast(sampleStatement(TypeDiscover), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if r.Leaf != (Leaf{}) || r.CorrelationID() != sampleTask {
		t.Errorf("%+v", r)
	}
	if _, err := NewBroadcast(sampleStatement(TypeRun), nil); !errors.Is(err, ErrType) {
		t.Error(err)
	}
	if _, err := NewBatch(sampleStatement(TypeDiscover), sampleLeaves(1), nil); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestSignatureIsChecked(t *testing.T) {
	var signed []byte
	sign := func(statement []byte) (string, error) {
		signed = bytes.Clone(statement)
		return base64.StdEncoding.EncodeToString([]byte("SSHSIG and so on")), nil
	}
	b, err := NewBatch(sampleStatement(TypeRun), sampleLeaves(2), sign)
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeRequest(b.Body(1))
	if err != nil {
		t.Fatal(err)
	}
	if r.StatementText != string(signed) || r.Signature != "U1NIU0lHIGFuZCBzbyBvbg==" {
		t.Errorf("%q %q", r.StatementText, r.Signature)
	}

	locked := errors.New("the key is locked")
	if _, err := NewBatch(sampleStatement(TypeRun), sampleLeaves(1), func([]byte) (string, error) { return "", locked }); !errors.Is(err, locked) {
		t.Error(err)
	}
	for _, bad := range []string{"-----BEGIN", "QQ", "QQ==\n", "QR==", strings.Repeat("QUJD", MaxSignature/4+1)} {
		if _, err := NewBatch(sampleStatement(TypeRun), sampleLeaves(1), func([]byte) (string, error) { return bad, nil }); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestSecretIsBoundToStatementByHash(t *testing.T) {
	text, hash, err := EncodeSecret(Secret{Salt: make([]byte, MinSalt), Env: []string{"TOKEN=hunter2"}, Stdin: []byte("pass\n")})
	if err != nil {
		t.Fatal(err)
	}
	st := sampleStatement(TypeRun)
	st.Run.SecretHash = hash
	b := sampleBatch(t, st, 3)
	if _, err := DecodeRequest(b.Body(0)); err == nil || !strings.Contains(err.Error(), "secret is missing") {
		t.Errorf("without its secret: %v", err)
	}
	if err := b.SetSecret(text); err != nil {
		t.Fatal(err)
	}
	r, err := DecodeRequest(b.Body(2))
	if err != nil {
		t.Fatal(err)
	}
	if r.Secret.Env[0] != "TOKEN=hunter2" || string(r.Secret.Stdin) != "pass\n" || r.Digest != b.Digest(2) {
		t.Errorf("%+v", r.Secret)
	}
	if strings.Contains(r.StatementText, "hunter2") {
		t.Error("the statement tells the secret")
	}

	other, _, _ := EncodeSecret(Secret{Salt: bytes.Repeat([]byte{1}, MinSalt)})
	if err := b.SetSecret(other); err == nil || !strings.Contains(err.Error(), "does not match") {
		t.Errorf("another secret: %v", err)
	}
	if err := sampleBatch(t, sampleStatement(TypeRun), 1).SetSecret(text); err == nil || !strings.Contains(err.Error(), "not bound") {
		t.Errorf("a secret without hash: %v", err)
	}
}

func TestSecretErrorsLeakNothing(t *testing.T) {
	for _, s := range []Secret{
		{Salt: make([]byte, MinSalt-1)},
		{Salt: make([]byte, MaxSalt+1)},
		{Salt: make([]byte, MinSalt), Env: []string{"hunter2"}},
		{Salt: make([]byte, MinSalt), Env: []string{"A=hunter2", "A=hunter2"}},
		{Salt: make([]byte, MinSalt), Env: []string{"A=hunter2\xff"}},
	} {
		_, _, err := EncodeSecret(s)
		if !errors.Is(err, ErrMalformed) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestSecretMustNotRepeatStatementMembers(t *testing.T) {
	for _, s := range []Secret{
		{Salt: make([]byte, MinSalt), Env: []string{"A=2"}},
		{Salt: make([]byte, MinSalt), Stdin: []byte("x")},
	} {
		text, hash, err := EncodeSecret(s)
		if err != nil {
			t.Fatal(err)
		}
		st := sampleStatement(TypeRun)
		st.Run.SecretHash, st.Run.Env, st.Run.Stdin = hash, []string{"A=1"}, []byte("y")
		if err := sampleBatch(t, st, 1).SetSecret(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestBatchRefusesLeaves(t *testing.T) {
	for what, spoil := range map[string]func([]Leaf) []Leaf{
		"leaves are missing": func([]Leaf) []Leaf { return nil },
		"leaf 1.host is not": func(l []Leaf) []Leaf { l[1].Host = "WEB"; return l },
		"leaf 1.host is als": func(l []Leaf) []Leaf { l[1].Host = l[0].Host; return l },
		"leaf 1.job is also": func(l []Leaf) []Leaf { l[1].Job = l[0].Job; return l },
		"leaf 1.job is not":  func(l []Leaf) []Leaf { l[1].Job = "1"; return l },
		"leaf 1.index is no": func(l []Leaf) []Leaf { l[1].Index = 0; return l },
		"leaf 2.index is no": func(l []Leaf) []Leaf { l[2].Index = 3; return l },
	} {
		_, err := NewBatch(sampleStatement(TypeRun), spoil(sampleLeaves(3)), nil)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestLargestRequestFitsLimit(t *testing.T) {
	st := sampleStatement(TypeRun)
	st.Run = &Run{TimeoutMS: 1, Script: make([]byte, 1_560_000)}
	b := sampleBatch(t, st, 1000)
	body := b.Body(999)
	if _, err := DecodeRequest(body); err != nil || len(body) > MaxRequest {
		t.Errorf("%d bytes: %v", len(body), err)
	}
	if cap(body) > len(b.prefix)+b.maxTail() {
		t.Error("a body is longer than foreseen")
	}
	// Of the second the statement is short enough, the body is not.
	for _, n := range []int{1_600_000, 1_572_500} {
		st.Run.Script = make([]byte, n)
		if _, err := NewBatch(st, sampleLeaves(1), nil); !errors.Is(err, ErrTooLarge) {
			t.Error(n, err)
		}
	}
	if _, err := DecodeRequest(make([]byte, MaxRequest+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestLongestTailFitsMaxTail(t *testing.T) {
	leaves := sampleLeaves(1025)
	for i := range leaves {
		leaves[i].Host = fmt.Sprintf("%0*d", hostname.MaxLength, i)
	}
	b, err := NewBatch(sampleStatement(TypeRun), leaves, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range leaves {
		if n := len(b.Body(i)) - len(b.prefix); n > b.maxTail() {
			t.Fatalf("leaf %d: %d bytes, foreseen %d", i, n, b.maxTail())
		}
	}
}

func TestEmptyCollectionsAreLeftOut(t *testing.T) {
	st := sampleStatement(TypeRun)
	st.Run.Argv, st.Run.Env, st.Run.Stdin, st.Run.Script = []string{}, []string{}, []byte{}, []byte{}
	if _, err := DecodeRequest(sampleBatch(t, st, 1).Body(0)); err != nil {
		t.Error(err)
	}
}

func TestRequestMustAgreeWithItsProperties(t *testing.T) {
	r, err := DecodeRequest(sampleBatch(t, sampleStatement(TypeRun), 1).Body(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Agrees(TypeRun, sampleJob(0), sampleReply); err != nil {
		t.Error(err)
	}
	for want, p := range map[string][3]string{
		"property type":           {TypeCheck, sampleJob(0), sampleReply},
		"property correlation_id": {TypeRun, sampleTask, sampleReply},
		"property reply_to":       {TypeRun, sampleJob(0), sampleReply + "x"},
	} {
		if err := r.Agrees(p[0], p[1], p[2]); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

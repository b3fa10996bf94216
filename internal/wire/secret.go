package wire

import (
	"crypto/sha256"
	"reflect"

	"github.com/go-json-experiment/json"
)

var secretShape = shapeOf(reflect.TypeFor[Secret]())

// EncodeSecret returns the text for Batch.SetSecret and the hash for
// Run.SecretHash. The errors are ErrMalformed.
func EncodeSecret(s Secret) (text string, hash []byte, err error) {
	if err := s.check(); err != nil {
		return "", nil, malformed(under("secret", err))
	}
	b, err := json.Marshal(&s, encodeOptions)
	if err != nil {
		return "", nil, malformed(under("secret", explain(err)))
	}
	sum := sha256.Sum256(b)
	return string(b), sum[:], nil
}

// decodeSecret decodes the secret that the run of a statement binds, nil where
// it binds none. Run may be nil.
func decodeSecret(text string, run *Run) (*Secret, error) {
	bound := run != nil && run.SecretHash != nil
	switch {
	case bound && text == "":
		return nil, faulty("secret", "is missing: the statement has its hash")
	case !bound && text != "":
		return nil, faulty("secret", "is not bound by a hash in the statement")
	case !bound:
		return nil, nil
	case !sumEquals(text, run.SecretHash):
		return nil, faulty("secret", "does not match its hash in the statement")
	}
	s := new(Secret)
	if err := decodeStrict([]byte(text), secretShape, s); err != nil {
		return nil, under("secret", err)
	}
	return s, under("secret", first(s.check(), s.checkWith(run)))
}

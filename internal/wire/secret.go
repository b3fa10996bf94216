package wire

import (
	"crypto/sha256"
	"reflect"

	"warren/internal/wire/strict"

	"github.com/go-json-experiment/json"
)

var secretSchema = strict.SchemaOf(reflect.TypeFor[Secret]())

// EncodeSecret returns the text for Batch.SetSecret and the hash for
// Run.SecretHash. The errors are ErrMalformed.
func EncodeSecret(s Secret) (text string, hash []byte, err error) {
	if err := s.check(); err != nil {
		return "", nil, malformed(strict.AtPath("secret", err))
	}
	b, err := json.Marshal(&s, strict.EncodeOptions)
	if err != nil {
		return "", nil, malformed(strict.AtPath("secret", strict.Explain(err)))
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
		return nil, strict.Invalid("secret", "is missing: the statement has its hash")
	case !bound && text != "":
		return nil, strict.Invalid("secret", "is not bound by a hash in the statement")
	case !bound:
		return nil, nil
	case !sumEquals(text, run.SecretHash):
		return nil, strict.Invalid("secret", "does not match its hash in the statement")
	}
	s := new(Secret)
	if err := strict.Decode([]byte(text), secretSchema, s); err != nil {
		return nil, strict.AtPath("secret", err)
	}
	return s, strict.AtPath("secret", first(s.check(), s.checkWith(run)))
}

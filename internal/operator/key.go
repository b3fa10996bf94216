package operator

import (
	"context"
	"time"

	"warren/internal/operator/signing"
)

// A key signs for this operator, or says why nothing can be signed. Reading results needs
// no key.
type key struct {
	signer *signing.Signer
	err    error // why there is no signer
}

// unlock makes the key ready to sign, which may prompt for its passphrase.
func (k *key) unlock(ctx context.Context) error {
	if k.err != nil {
		return k.err
	}
	return k.signer.Unlock(ctx)
}

// sign signs a statement. Nothing needs a signature before unlock.
func (k *key) sign(ctx context.Context, statement []byte) (string, error) {
	if k.err != nil {
		return "", k.err
	}
	return k.signer.Sign(ctx, statement)
}

// fingerprint identifies the key in the audit logs. It is "" without a key.
func (k *key) fingerprint() string {
	if k.signer == nil {
		return ""
	}
	return k.signer.Fingerprint()
}

// needsTouch reports whether each signature needs a touch of the key.
func (k *key) needsTouch() bool { return k.signer != nil && k.signer.Touch() }

// answerTimeout is how long to wait for answers to a question that must still be signed.
func (k *key) answerTimeout(wait time.Duration) time.Duration {
	if k.needsTouch() {
		wait += touchTimeout
	}
	return wait
}

package filestream

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/internal/wire"
)

// headerIndex is the header with the index of a chunk.
const headerIndex = "index"

// NewKey returns a random key.
func NewKey() ([]byte, error) {
	key := make([]byte, wire.FileKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("no random key: %w", err)
	}
	return key, nil
}

// A box seals and opens chunks with one key.
type box struct{ aead cipher.AEAD }

func newBox(key []byte) (box, error) {
	aead, err := chacha20poly1305.New(key)
	return box{aead}, err
}

// seal appends the sealed chunk to to.
func (b box) seal(to []byte, index int64, chunk []byte) []byte {
	return b.aead.Seal(to, nonce(index), chunk, nil)
}

// open decrypts a chunk in place.
func (b box) open(index int64, sealed []byte) ([]byte, error) {
	return b.aead.Open(sealed[:0], nonce(index), sealed, nil)
}

// nonce is the index in the last 8 bytes, big endian. A key seals one content only, so no
// nonce repeats with another text.
func nonce(index int64) []byte {
	n := make([]byte, chacha20poly1305.NonceSize)
	binary.BigEndian.PutUint64(n[4:], uint64(index))
	return n
}

// Chunks returns how many chunks a content has.
func Chunks(size int64) int64 { return (size + wire.MaxFileChunk - 1) / wire.MaxFileChunk }

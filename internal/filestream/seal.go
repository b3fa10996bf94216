package filestream

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/internal/broker"
	"warren/internal/wire"
)

// The headers of a chunk.
const (
	headerIndex   = "index"   // of the chunk
	headerAttempt = "attempt" // of the operator to send the content, from 0
)

// The indexes of messages without content.
const (
	pingIndex = -1 // of a ping, which tells a host to wait on
	noIndex   = -2 // of a message that has no index
)

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

// prepare returns what each end of a connection for content needs.
func prepare(key []byte, options broker.Options) (box, *broker.Link, error) {
	b, err := newBox(key)
	if err != nil {
		return b, nil, err
	}
	link, err := broker.NewLink(options)
	return b, link, err
}

// seal appends the sealed chunk to to.
func (b box) seal(to []byte, attempt int32, index int64, chunk []byte) []byte {
	return b.aead.Seal(to, nonce(attempt, index), chunk, nil)
}

// open decrypts a chunk in place.
func (b box) open(attempt int32, index int64, sealed []byte) ([]byte, error) {
	return b.aead.Open(sealed[:0], nonce(attempt, index), sealed, nil)
}

// nonce is the attempt in 4 bytes and the index in 8, big endian. A key belongs to one content,
// and an attempt seals each chunk once at most. So no nonce repeats with another text, even if a
// file has changed before an attempt.
func nonce(attempt int32, index int64) []byte {
	n := make([]byte, 0, chacha20poly1305.NonceSize)
	n = binary.BigEndian.AppendUint32(n, uint32(attempt))
	return binary.BigEndian.AppendUint64(n, uint64(index))
}

// Chunks returns how many chunks a content has.
func Chunks(size int64) int64 { return (size + wire.MaxFileChunk - 1) / wire.MaxFileChunk }

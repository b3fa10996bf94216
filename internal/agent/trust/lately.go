package trust

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
)

// latelySize is how many statements are remembered: those that repeats are of, and
// in a laboratory the one that all agents of the process get.
const latelySize = 64

// lately has the signatures of operators that were found good. Whether one is
// good is a function of statement and signature alone, so it stays good; whether
// its signer may do anything is judged each time. It is no actor's, since any
// agent of the process asks: so it has a lock.
var lately memory

type memory struct {
	mu   sync.Mutex
	good [][sha256.Size]byte // oldest first
}

// verified is s.verify, but for what was found good lately.
func (m *memory) verified(s *signer, statement, signature string) error {
	key := pair(statement, signature)
	if m.has(key) {
		return nil
	}
	err := s.verify(statement)
	if err == nil {
		m.add(key)
	}
	return err
}

// pair is the digest of two texts, whatever is in them.
func pair(a, b string) [sha256.Size]byte {
	text := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(a)+len(b)), uint64(len(a)))
	return sha256.Sum256(append(append(text, a...), b...))
}

func (m *memory) has(key [sha256.Size]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.good, key)
}

func (m *memory) add(key [sha256.Size]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.good) == latelySize {
		m.good = slices.Delete(m.good, 0, 1)
	}
	m.good = append(m.good, key)
}

package merge

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"

	"warren/internal/operator/model"
)

// Sum is the model.Output.Sum of segments, with offsets counted from from.
func Sum(segments iter.Seq2[model.Segment, error], from int64) (string, error) {
	var h ContentHash
	for segment, err := range segments {
		if err != nil {
			return "", err
		}
		h.Add(segment.Offset-from, segment.Data)
	}
	return h.Sum(), nil
}

// A ContentHash hashes the segments of a stream, in order. Its sum depends on the bytes
// and on the gaps between them, and not on how the stream was cut. Without a gap it is
// the SHA-256 of the bytes.
type ContentHash struct {
	data hash.Hash
	end  int64
	gaps []byte // offset and length of each
}

// Add hashes the next segment.
func (c *ContentHash) Add(offset int64, data []byte) {
	if c.data == nil {
		c.data = sha256.New()
	}
	if offset > c.end {
		c.gaps = binary.BigEndian.AppendUint64(c.gaps, uint64(c.end))
		c.gaps = binary.BigEndian.AppendUint64(c.gaps, uint64(offset-c.end))
	}
	_, _ = c.data.Write(data)
	c.end = offset + int64(len(data))
}

// Sum returns "" if nothing was added.
func (c *ContentHash) Sum() string {
	if c.data == nil {
		return ""
	}
	sum := c.data.Sum(nil)
	if len(c.gaps) > 0 {
		both := sha256.Sum256(append(sum, c.gaps...))
		sum = both[:]
	}
	return string(sum)
}

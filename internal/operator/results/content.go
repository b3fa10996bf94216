package results

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"

	"warren/internal/operator/model"
)

// Sum is the Output.Sum of segments, with offsets counted from from.
func Sum(segments iter.Seq2[model.Segment, error], from int64) (string, error) {
	var h contentHash
	for segment, err := range segments {
		if err != nil {
			return "", err
		}
		h.add(segment.Offset-from, segment.Data)
	}
	return h.sum(), nil
}

// A contentHash makes of a stream's segments, in order, a sum that depends on
// their bytes and the gaps between them, and not on how they were cut. Without a
// gap it is the SHA-256 of the bytes.
type contentHash struct {
	data hash.Hash
	end  int64
	gaps []byte // offset and length of each
}

func (c *contentHash) add(offset int64, data []byte) {
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

// sum is "" where nothing was added.
func (c *contentHash) sum() string {
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

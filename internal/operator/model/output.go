package model

import (
	"bytes"
	"errors"
)

// ErrArchiveDamaged means that the store no longer has an archive that it had.
var ErrArchiveDamaged = errors.New("the stored archive is damaged; collect the files again")

// An Output is the account of one stream. While the job runs Size is what has
// arrived.
type Output struct {
	Size    int64 // bytes produced
	Dropped int64 // bytes of them that the agent did not keep, from the middle
	Kept    int64 // bytes that are in the store
	Begin   int64 // bytes from the beginning that are in the store, at least
	Gone    bool  // the agent no longer has the missing ones
	// Sum identifies the bytes that are in the store and the gaps between them:
	// equal sums are equal bytes. Without gaps it is their SHA-256. It is empty
	// where nothing is stored, and until the stream is whole; see Store.Sums.
	Sum string
}

// Missing is the number of bytes that the agent kept and the store does not have.
func (o Output) Missing() int64 { return max(0, o.Size-o.Dropped-o.Kept) }

// A Segment is a run of bytes of one stream.
type Segment struct {
	Offset int64 // in the stream as it was produced
	Data   []byte
}

// A Piece is a Segment of a task's output.
type Piece struct {
	Job    int    // index of its job
	Stream string // wire.Stdout or wire.Stderr
	Segment
}

// LastLines returns the last lines of a stream whose last segment is last. It
// reports false where they begin before that.
func LastLines(last Segment, lines int) (Segment, bool) {
	end := len(last.Data)
	if end > 0 && last.Data[end-1] == '\n' {
		end-- // the newline at the very end begins no line
	}
	for ; lines > 0; lines-- {
		at := bytes.LastIndexByte(last.Data[:end], '\n')
		if at < 0 {
			return last, last.Offset == 0
		}
		end = at
	}
	return Segment{last.Offset + int64(end) + 1, last.Data[end+1:]}, true
}

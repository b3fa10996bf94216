package journal

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

const (
	version    = 1
	headerSize = 64
	frameHead  = 24
	alignment  = 8

	// MaxRecord is the largest length of a record: twice the largest request with secret.
	MaxRecord = 4 << 20
)

var magic = [8]byte([]byte("warrenJ\n"))

// The kinds of frames. Large numbers occur seldom in other data, so a search for frames computes
// few sums. Zero is space that was allocated in advance.
const (
	kindRecord uint32 = 0x4352_4a57 // "WJRC"
	kindMark   uint32 = 0x4b4d_4a57 // "WJMK"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
	padding    [alignment]byte
)

// A header begins the file. Its layout is the same in all versions.
type header struct {
	version uint32
	created time.Time
	id      [16]byte // of the journal; Rewrite keeps it
	salt    [16]byte // of the file
}

// encode returns the header and its sum, from which the sums of frames start.
func (h header) encode() (b []byte, sum uint32) {
	b = make([]byte, 0, headerSize)
	b = append(b, magic[:]...)
	b = le.AppendUint32(b, h.version)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(h.created.UnixMilli()))
	b = append(b, h.id[:]...)
	b = append(b, h.salt[:]...)
	b = le.AppendUint32(b, 0)
	sum = crc32.Checksum(b, castagnoli)
	return le.AppendUint32(b, sum), sum
}

func decodeHeader(b []byte) (h header, sum uint32, ok bool) {
	if len(b) != headerSize || [8]byte(b) != magic {
		return header{}, 0, false
	}
	sum = crc32.Checksum(b[:headerSize-4], castagnoli)
	if sum != le.Uint32(b[headerSize-4:]) {
		return header{}, 0, false
	}
	h = header{version: le.Uint32(b[8:]), created: time.UnixMilli(int64(le.Uint64(b[16:])))}
	copy(h.id[:], b[24:])
	copy(h.salt[:], b[40:])
	return h, sum, true
}

// A frame is the head of a frame.
type frame struct {
	kind   uint32
	length int
	synced int64
	sum    uint32
}

// frameSize returns the size of a frame with a record of this length.
func frameSize(length int) int64 { return int64(frameHead + length + pad(length)) }

func pad(length int) int { return -length & (alignment - 1) }

func (f frame) size() int64 { return frameSize(f.length) }

// appendFrame encodes a frame for an offset.
func appendFrame(b []byte, seed uint32, offset int64, kind uint32, synced int64, record []byte) []byte {
	sum := crc32.Update(seed, castagnoli, record)
	sum = crc32.Update(sum, castagnoli, padding[:pad(len(record))])
	start := len(b)
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, uint32(len(record)))
	b = le.AppendUint64(b, uint64(synced))
	b = le.AppendUint32(b, sum)
	b = le.AppendUint32(b, headSum(seed, offset, b[start:]))
	b = append(b, record...)
	return append(b, padding[:pad(len(record))]...)
}

// headSum returns a sum that depends on the offset, up to 32 GiB.
func headSum(seed uint32, offset int64, head []byte) uint32 {
	return crc32.Update(seed^uint32(offset/alignment), castagnoli, head)
}

// decodeFrame decodes the head of a frame at an offset; ok is false if there is none.
func decodeFrame(b []byte, seed uint32, offset int64) (f frame, ok bool) {
	f.kind = le.Uint32(b)
	if f.kind != kindRecord && f.kind != kindMark {
		return frame{}, false
	}
	if le.Uint32(b[20:]) != headSum(seed, offset, b[:20]) {
		return frame{}, false
	}
	length := le.Uint32(b[4:])
	f.synced, f.sum = int64(le.Uint64(b[8:])), le.Uint32(b[16:])
	if length > MaxRecord || f.synced < 0 || f.synced > offset {
		return frame{}, false
	}
	f.length = int(length)
	return f, true
}

// holds reports whether b, a record with padding, is the record of the frame.
func (f frame) holds(b []byte, seed uint32) bool {
	return crc32.Update(seed, castagnoli, b) == f.sum
}

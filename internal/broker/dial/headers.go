package dial

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
)

// A plainHeaders takes all properties away from a message whose headers are not as plain as
// Warren's own: short, of numbers and texts. The library ends the connection over headers that
// RabbitMQ accepts, such as deeply nested ones. From a host's queue such a message would come
// again with each connection: anybody who may write into the queue could silence the host.
//
// A message without properties is of no known type. Its receiver drops it.
type plainHeaders struct {
	net.Conn
	in   *bufio.Reader // from Conn
	bare []byte        // what comes before in
	rest int64         // how many bytes of a frame are still to be read, and go on as they are
}

func newPlainHeaders(c net.Conn) *plainHeaders {
	return &plainHeaders{Conn: c, in: bufio.NewReaderSize(c, maxHeaderFrame)}
}

func (c *plainHeaders) Read(p []byte) (n int, err error) {
	if len(c.bare) == 0 && c.rest == 0 {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	if len(c.bare) > 0 {
		n = copy(p, c.bare)
		c.bare = c.bare[n:]
		return n, nil
	}
	n, err = c.in.Read(p[:min(int64(len(p)), c.rest)])
	c.rest -= int64(n)
	return n, err
}

// A frame of AMQP 0-9-1 has a head (type, channel, size of the payload), the payload and an end.
// The payload of a header frame has a head, too (class, weight, size of the message); the
// properties follow, and their first two bytes tell which ones there are.
const (
	frameHead    = 1 + 2 + 4
	frameEnd     = 0xCE
	headerFrame  = 2
	headerHead   = 2 + 2 + 8
	propertyBits = 2

	// maxHeaderFrame is the largest header frame with plain headers. Warren's own are below
	// 3 KiB: each property but the headers has 255 bytes at most.
	maxHeaderFrame = 4 << 10
)

// begin waits for the next frame.
func (c *plainHeaders) begin() error {
	head, err := c.in.Peek(frameHead)
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head[3:]))
	all := frameHead + size + 1
	if head[0] != headerFrame || size < headerHead+propertyBits || size > frameSize { // the library refuses the last two
		c.rest = all
		return nil
	}
	frame, err := c.in.Peek(int(min(all, maxHeaderFrame)))
	if err != nil {
		return err
	}
	if all <= maxHeaderFrame && plainProperties(frame[frameHead+headerHead:all-1]) {
		c.rest = all
		return nil
	}
	bare := append(bytes.Clone(frame[:frameHead+headerHead]), 0, 0, frameEnd)
	binary.BigEndian.PutUint32(bare[3:], headerHead+propertyBits)
	c.bare = bare
	_, err = c.in.Discard(int(all))
	return err
}

// plainProperties reports whether the headers among a message's properties are plain.
// Properties with a wrong length are not plain, although RabbitMQ passes on none.
func plainProperties(b []byte) bool {
	const contentType, contentEncoding, headers = 1 << 15, 1 << 14, 1 << 13 // before the headers
	flags, b := binary.BigEndian.Uint16(b), b[2:]
	for _, text := range []uint16{contentType, contentEncoding} {
		if flags&text == 0 {
			continue
		}
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return false
		}
		b = b[1+int(b[0]):]
	}
	if flags&headers == 0 {
		return true
	}
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return false
	}
	return plainTable(b[4 : 4+binary.BigEndian.Uint32(b)])
}

// plainTable reports whether no value of a table has parts of its own.
func plainTable(b []byte) bool {
	for len(b) > 0 {
		name := 1 + int(b[0])
		if len(b) <= name {
			return false
		}
		kind, value := b[name], b[name+1:]
		var size uint64
		switch kind {
		case 'V': // nothing
		case 't', 'b', 'B':
			size = 1
		case 's', 'u':
			size = 2
		case 'I', 'i', 'f':
			size = 4
		case 'D':
			size = 5
		case 'l', 'd', 'T':
			size = 8
		case 'S', 'x':
			if len(value) < 4 {
				return false
			}
			size = 4 + uint64(binary.BigEndian.Uint32(value))
		default: // a table, a list, or what the library does not know
			return false
		}
		if uint64(len(value)) < size {
			return false
		}
		b = value[size:]
	}
	return true
}

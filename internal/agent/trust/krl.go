package trust

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// Constants of OpenSSH's PROTOCOL.krl.
const (
	krlMagic   = "SSHKRL\n\x00"
	krlVersion = 1

	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSHA256       = 5
	krlExtension    = 255

	krlSerialList      = 0x20
	krlSerialRange     = 0x21
	krlSerialBitmap    = 0x22
	krlKeyIDs          = 0x23
	krlCertsExtensions = 0x39
)

// revokedCertificates are the revoked certificates of one authority, or of any.
type revokedCertificates struct {
	authority string // encoding of the authority's key; empty: any authority
	serials   map[uint64]bool
	ranges    [][2]uint64 // first and last serial
	bitmaps   []serialBitmap
	ids       map[string]bool
}

type serialBitmap struct {
	offset uint64
	bits   *big.Int
}

func (s *revokedCertificates) revokes(c *ssh.Certificate) bool {
	if s.authority != "" && s.authority != string(c.SignatureKey.Marshal()) {
		return false
	}
	if s.ids[c.KeyId] {
		return true
	}
	if c.Serial == 0 { // the authority does not use serials (as in OpenSSH)
		return false
	}
	if s.serials[c.Serial] {
		return true
	}
	for _, r := range s.ranges {
		if r[0] <= c.Serial && c.Serial <= r[1] {
			return true
		}
	}
	for _, b := range s.bitmaps {
		if n := c.Serial - b.offset; c.Serial >= b.offset && n < uint64(b.bits.BitLen()) && b.bits.Bit(int(n)) == 1 {
			return true
		}
	}
	return false
}

// names lists the key ids and serials for the log.
func (s *revokedCertificates) names() (names []string) {
	for id := range s.ids {
		names = append(names, fmt.Sprintf("key id %q", clip(id, 60)))
	}
	for serial := range s.serials {
		names = append(names, fmt.Sprintf("serial %d", serial))
	}
	for _, r := range s.ranges {
		names = append(names, fmt.Sprintf("serials %d to %d", r[0], r[1]))
	}
	for _, b := range s.bitmaps {
		names = append(names, fmt.Sprintf("serials from %d on", b.offset))
	}
	return names
}

var errKRL = errors.New("is damaged: it ends within a field")

// cursor reads SSH's wire format (RFC 4251, section 5).
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n uint64) []byte {
	if c.err != nil || n > uint64(len(c.b)) {
		c.err = errKRL
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) uint(size uint64) (v uint64) {
	for _, b := range c.take(size) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (c *cursor) byte() byte     { return byte(c.uint(1)) }
func (c *cursor) string() []byte { return c.take(c.uint(4)) }
func (c *cursor) more() bool     { return c.err == nil && len(c.b) > 0 }

func (r *Revocations) readKRL(text []byte) error {
	c := &cursor{b: text[len(krlMagic):]}
	if v := c.uint(4); c.err == nil && v != krlVersion {
		return fmt.Errorf("has version %d, but only version %d is supported", v, krlVersion)
	}
	c.take(3 * 8) // KRL number, date and flags
	c.string()    // reserved
	c.string()    // comment
	for c.more() {
		kind, section := c.byte(), &cursor{b: c.string()}
		if c.err != nil {
			break
		}
		if err := r.section(kind, section); err != nil {
			return err
		}
		if section.err != nil {
			return section.err
		}
	}
	return c.err
}

func (r *Revocations) section(kind byte, c *cursor) error {
	switch kind {
	case krlCertificates:
		return r.readCertificates(c)
	case krlKeys:
		for c.more() {
			r.keys[string(c.string())] = true
		}
	case krlSHA1:
		return readDigests(c, r.sha1)
	case krlSHA256:
		return readDigests(c, r.sha256)
	case krlExtension:
		return readExtension(c)
	default:
		return fmt.Errorf("has a section of unknown type %d", kind)
	}
	return nil
}

// readDigests reads fingerprints of the length of K.
func readDigests[K [20]byte | [32]byte](c *cursor, into map[K]bool) error {
	for c.more() {
		var k K
		sum := c.string()
		if c.err == nil && len(sum) != binary.Size(k) {
			return fmt.Errorf("has a fingerprint of %d bytes instead of %d", len(sum), binary.Size(k))
		}
		if c.err == nil {
			into[K(sum)] = true
		}
	}
	return nil
}

// readExtension ignores an extension unless it is critical.
func readExtension(c *cursor) error {
	name := c.string()
	critical := c.byte()
	c.string()
	if c.err == nil && critical != 0 {
		return fmt.Errorf("has an unknown critical extension %q", clip(string(name), 60))
	}
	return nil
}

func (r *Revocations) readCertificates(c *cursor) error {
	s := revokedCertificates{authority: string(c.string()), serials: map[uint64]bool{}, ids: map[string]bool{}}
	c.string() // reserved
	if s.authority != "" && c.err == nil {
		if _, err := ssh.ParsePublicKey([]byte(s.authority)); err != nil {
			return fmt.Errorf("names an authority whose key cannot be read: %w", err)
		}
	}
	for c.more() {
		kind, part := c.byte(), &cursor{b: c.string()}
		if c.err != nil {
			break
		}
		if err := s.part(kind, part); err != nil {
			return err
		}
		if part.err != nil {
			return part.err
		}
	}
	r.certificates = append(r.certificates, s)
	return nil
}

func (s *revokedCertificates) part(kind byte, c *cursor) error {
	switch kind {
	case krlSerialList:
		for c.more() {
			s.serials[c.uint(8)] = true
		}
	case krlSerialRange:
		first, last := c.uint(8), c.uint(8)
		if c.err == nil && (first > last || c.more()) {
			return errors.New("has a range of serials that ends before it begins")
		}
		s.ranges = append(s.ranges, [2]uint64{first, last})
	case krlSerialBitmap:
		offset, bits := c.uint(8), c.string()
		if c.err == nil && (c.more() || len(bits) > 0 && bits[0]&0x80 != 0) {
			return errors.New("has a bitmap of serials that is not a positive number")
		}
		s.bitmaps = append(s.bitmaps, serialBitmap{offset, new(big.Int).SetBytes(bytes.Clone(bits))})
	case krlKeyIDs:
		for c.more() {
			s.ids[string(c.string())] = true
		}
	case krlCertsExtensions:
		return readExtension(c)
	default:
		return fmt.Errorf("has revoked certificates of unknown type %#x", kind)
	}
	return nil
}

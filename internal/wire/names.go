package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Exchanges.
const (
	ExchangeReplies  = "warren.replies"  // replies, by the reply queue's name
	ExchangeHosts    = "warren.hosts"    // requests, by HostKey or InboxKey
	ExchangeDiscover = "warren.discover" // requests of type discover
)

// An Exchange is a durable exchange.
type Exchange struct{ Name, Kind string }

// Exchanges are all exchanges.
var Exchanges = []Exchange{{ExchangeHosts, "topic"}, {ExchangeReplies, "topic"}, {ExchangeDiscover, "fanout"}}

// Headers and content types of AMQP messages.
const (
	HeaderStream  = "stream"  // of output: Stdout or Stderr
	HeaderOffset  = "offset"  // of output: integer, position of its first byte in the stream
	HeaderAttempt = "attempt" // of a request: integer, 1 for the first sending
	HeaderHave    = "have"    // of a status: integer, bytes of standard output from its beginning that need not be sent

	ContentJSON  = "application/json"
	ContentBytes = "application/octet-stream" // of output
)

const (
	prefixHost  = "warren.host."
	prefixInbox = "warren.inbox."
	prefixReply = "warren.reply."
	prefixFile  = "warren.file."

	// maxReplyWord bounds each of a reply queue's two words.
	maxReplyWord = 64
)

// HostQueue is the queue of the agent that answers to a host name, which is in
// its normal form.
func HostQueue(name string) string { return prefixHost + name }

// Generations is how many queues a name may have, one after the other. Each new one needs
// another node that went down meanwhile, and a cluster serves only while most of its nodes
// are up: four suffice for seven nodes.
const Generations = 4

// HostQueueGeneration is the queue of an agent that could not have those of lower
// generations, because their broker nodes are down; 0 is HostQueue.
func HostQueueGeneration(name string, generation int) string {
	if generation == 0 {
		return HostQueue(name)
	}
	return HostQueue(name) + "~" + strconv.Itoa(generation)
}

// HostKey, LaterKey and InboxKey are routing keys of ExchangeHosts: that of a host's
// requests, that of its queues from generation 1 on, and that of the requests that wait
// in its inbox. No host name has a "~".
func HostKey(name string) string  { return name }
func LaterKey(name string) string { return name + "~" }
func InboxKey(id string) string   { return id + "~inbox" }

// IsAddressed reports whether a request of this type, published with this exchange and routing
// key, is for a host. RabbitMQ checks the routing keys of a login that publishes to these
// exchanges. It does not check the keys of messages that come from a login's own exchange, nor,
// before version 4, the keys in the headers CC and BCC. It delivers each message with the exchange
// and the key of its publication. The owner of a queue chooses both for its dead letters, but they
// have the header x-death, an array, and so count as messages without properties.
func IsAddressed(exchange, key, typ, host string) bool {
	switch exchange {
	case ExchangeHosts:
		return key == HostKey(host) || key == InboxKey(host)
	case ExchangeDiscover:
		return typ == TypeDiscover
	}
	return false
}

// InboxQueue is the queue of requests that wait for the agent with this id.
func InboxQueue(id string) string { return prefixInbox + id }

// ReplyQueue is the reply queue of an operator process, and its routing key
// in ExchangeReplies. User is the name under which the broker knows the
// operator, so that permissions can confine it to its own queues.
func ReplyQueue(user, random string) string { return ReplyPrefix(user) + replyWord(random) }

// SpareReplyQueue is the n-th queue of an operator process that cannot have its reply
// queue, bound with the reply queue's name; 0 is the reply queue itself.
func SpareReplyQueue(queue string, n int) string {
	if n == 0 {
		return queue
	}
	return queue + "-" + strconv.Itoa(n)
}

// ReplyPrefix is how the names of one broker user's reply queues begin, and
// those of no other's.
func ReplyPrefix(user string) string { return prefixReply + replyWord(user) + "." }

// FileQueue is a stream with the content of a push. FilePrefix is how the names of one broker
// user's streams begin.
func FileQueue(user, random string) string { return FilePrefix(user) + replyWord(random) }
func FilePrefix(user string) string        { return prefixFile + replyWord(user) + "." }

// FileKey is the routing key of a stream in ExchangeHosts. No host name has a "~".
func FileKey(queue string) string { return queue + "~file" }

// replyWord writes a name in the characters of a reply queue: each byte other
// than an ASCII letter, a digit and `-` becomes `_` and two hexadecimal digits;
// what would be too long, `_h` and the beginning of its SHA-256. Two names never
// become one: a dot as it is would let john read the queues of john.doe, and
// dropped, those of john-doe.
func replyWord(s string) string {
	var word strings.Builder
	for _, c := range []byte(s) {
		if isReplyChar(c) && c != '_' {
			word.WriteByte(c)
		} else {
			fmt.Fprintf(&word, "_%02x", c)
		}
	}
	switch {
	case s == "":
		return "_"
	case word.Len() > maxReplyWord:
		hash := sha256.Sum256([]byte(s))
		return "_h" + hex.EncodeToString(hash[:])[:maxReplyWord-2]
	}
	return word.String()
}

func isReplyChar(c byte) bool {
	return isLetter(c|0x20) || isDigit(c) || c == '_' || c == '-'
}

func isReplyQueue(s string) bool { return hasTwoWords(s, prefixReply) }
func isFileQueue(s string) bool  { return hasTwoWords(s, prefixFile) }

func hasTwoWords(s, prefix string) bool {
	words, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return false
	}
	user, random, ok := strings.Cut(words, ".")
	return ok && isReplyWord(user) && isReplyWord(random)
}

func isReplyWord(s string) bool {
	for i := range len(s) {
		if !isReplyChar(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= maxReplyWord
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// isUUID reports whether s is a UUID of version 4 and RFC 9562's variant, in
// its canonical form: 36 characters, lower case.
func isUUID(s string) bool {
	if len(s) != 36 || s[14] != '4' || strings.IndexByte("89ab", s[19]) < 0 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isDigit(c) && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

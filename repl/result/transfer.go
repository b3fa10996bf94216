package result

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/repl/term"
)

// A Transfer is how far the content of files has got, to the hosts or from them.
type Transfer struct {
	Received bool          // from the hosts
	Done     int64         // bytes
	Size     int64         // bytes in all, at most; 0: not known
	Elapsed  time.Duration // since it began
	Hosts    []HostTransfer
}

// A HostTransfer is how far one host has got.
type HostTransfer struct {
	Host  string
	Done  int64
	Size  int64 // 0: not known
	Ended bool  // no more will come
}

// TransferOf returns how far the content of a push has come.
func TransferOf(t *model.Transfer, now time.Time) *Transfer {
	r := &Transfer{Done: t.Sent, Size: t.Size, Elapsed: now.Sub(t.Began)}
	for _, h := range t.Hosts {
		r.Hosts = append(r.Hosts, HostTransfer{Host: h.Host, Done: h.Received, Size: h.Wanted})
	}
	return r
}

// mostSlowTransfers is how many hosts a transfer names: one line has room for them.
const mostSlowTransfers = 3

// Text is one line: how much is done, how fast, how long the rest takes, and the hosts that
// are furthest behind.
func (t *Transfer) Text(lang *translate.Language) string {
	return strings.Join(t.Parts(lang), "; ")
}

// Parts are the parts of Text: the bytes, and the slow hosts if there are any.
func (t *Transfer) Parts(lang *translate.Language) []string {
	rate := int64(float64(t.Done) / max(t.Elapsed.Seconds(), 1e-3))
	done, speed := term.Size(t.Done), term.Size(rate)
	var parts []string
	switch {
	case t.Size <= 0 && t.Received:
		parts = append(parts, lang.Sprintf("received %s, %s/s", done, speed))
	case t.Size <= 0:
		parts = append(parts, lang.Sprintf("sent %s, %s/s", done, speed))
	default:
		left := time.Duration(float64(max(t.Size-t.Done, 0)) / float64(max(rate, 1)) * float64(time.Second)).Round(time.Second)
		if t.Received {
			parts = append(parts, lang.Sprintf("received %s of at most %s, %s/s, at most %s left", done, term.Size(t.Size), speed, term.Duration(left)))
		} else {
			parts = append(parts, lang.Sprintf("sent %s of %s, %s/s, %s left", done, term.Size(t.Size), speed, term.Duration(left)))
		}
	}
	if slow := t.slowest(lang); slow != "" {
		parts = append(parts, slow)
	}
	return parts
}

// slowest names the hosts that are furthest behind. One host alone is not slow.
func (t *Transfer) slowest(lang *translate.Language) string {
	var open []HostTransfer
	for _, h := range t.Hosts {
		if !h.Ended && (h.Size <= 0 || h.Done < h.Size) {
			open = append(open, h)
		}
	}
	if len(t.Hosts) < 2 || len(open) == 0 {
		return ""
	}
	slices.SortStableFunc(open, func(a, b HostTransfer) int {
		return cmp.Or(cmp.Compare(a.share(), b.share()), cmp.Compare(a.Done, b.Done))
	})
	var words []string
	for _, h := range open[:min(len(open), mostSlowTransfers)] {
		words = append(words, term.Line(h.Host)+" "+term.Size(h.Done))
	}
	text := lang.Word("slowest:") + " " + strings.Join(words, ", ")
	if more := len(open) - mostSlowTransfers; more > 0 {
		text += " " + lang.Sprintf("and %d more", more)
	}
	return text
}

// share is the part of a host's content that is done, if that is known.
func (h HostTransfer) share() float64 {
	if h.Size <= 0 {
		return 0
	}
	return float64(h.Done) / float64(h.Size)
}

// Package comparison has the command diff: what has changed on the hosts between two tasks.
// Hosts with the same change share a block.
package comparison

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"warren/internal/operator/model"
	"warren/repl/render"
	"warren/repl/result"
)

// A side is one of the two tasks, with those of its jobs that are compared.
type side struct {
	task model.Task
	jobs []model.Job
}

// byHost returns the jobs by the names of their hosts.
func (s *side) byHost() map[string]*model.Job {
	jobs := make(map[string]*model.Job, len(s.jobs))
	for i := range s.jobs {
		jobs[s.jobs[i].Host] = &s.jobs[i]
	}
	return jobs
}

// A comparison is the result of comparing two tasks, by host.
type comparison struct {
	before, after side
	changes       []*change // the rarest first
	unchanged     []string
	onlyBefore    []string
	onlyAfter     []string
}

// differs reports whether there is any difference.
func (c *comparison) differs() bool {
	return len(c.changes)+len(c.onlyBefore)+len(c.onlyAfter) > 0
}

// A change is what has changed on one or more hosts. The first pair represents all.
type change struct {
	key   changeKey
	hosts []string
	pair  pair
}

// A pair is the jobs of one host in both tasks.
type pair struct{ before, after *model.Job }

// A changeKey is what hosts with the same change have in common.
type changeKey struct {
	before, after  string // result.JobWord
	stdout, stderr fingerprint
}

// compare compares the jobs of both sides. It keeps no output in memory.
func compare(ctx context.Context, d *differ, before, after side) (*comparison, error) {
	c := &comparison{before: before, after: after}
	later := after.byHost()
	changes := map[changeKey]*change{}
	for i := range before.jobs {
		p := pair{before: &before.jobs[i]}
		host := p.before.Host
		if p.after = later[host]; p.after == nil {
			c.onlyBefore = append(c.onlyBefore, host)
			continue
		}
		delete(later, host)
		key, err := d.changeOf(ctx, p)
		switch {
		case err != nil:
			return nil, err
		case key.before == key.after && key.stdout == fingerprint{} && key.stderr == fingerprint{}:
			c.unchanged = append(c.unchanged, host)
			continue
		}
		if changes[key] == nil {
			changes[key] = &change{key: key, pair: p}
			c.changes = append(c.changes, changes[key])
		}
		changes[key].hosts = append(changes[key].hosts, host)
	}
	for i := range after.jobs {
		if host := after.jobs[i].Host; later[host] != nil {
			c.onlyAfter = append(c.onlyAfter, host)
		}
	}
	slices.SortStableFunc(c.changes, func(a, b *change) int {
		return cmp.Or(cmp.Compare(len(a.hosts), len(b.hosts)), cmp.Compare(result.Severity(a.pair.after), result.Severity(b.pair.after)))
	})
	return c, nil
}

// A fingerprint identifies the lines that a diff removes and adds, in their order. The zero
// value is that of equal texts. Positions and unchanged lines do not count: the same upgrade
// changes the same lines of lists that differ elsewhere.
type fingerprint [sha256.Size]byte

// tooLarge is the fingerprint of texts that are not compared.
var tooLarge = fingerprint(sha256.Sum256([]byte("too large to compare")))

// A differ compares streams of jobs. It remembers fingerprints, not texts: alike hosts are
// compared once.
type differ struct {
	printer *render.Printer
	view    *result.View
	known   map[streams]fingerprint
}

// streams identifies the contents of a stream in both tasks.
type streams struct {
	before, after   model.Output
	decodes, decode string // names of the encodings
}

func newDiffer(printer *render.Printer, view *result.View) *differ {
	return &differ{printer: printer, view: view, known: map[streams]fingerprint{}}
}

func (d *differ) changeOf(ctx context.Context, p pair) (changeKey, error) {
	key := changeKey{before: result.JobWord(p.before), after: result.JobWord(p.after)}
	prints := map[string]*fingerprint{"stdout": &key.stdout, "stderr": &key.stderr}
	for _, stream := range d.view.Streams {
		var err error
		if *prints[stream], err = d.fingerprint(ctx, p, stream); err != nil {
			return key, err
		}
	}
	return key, nil
}

func (d *differ) fingerprint(ctx context.Context, p pair, stream string) (fingerprint, error) {
	s := streams{
		result.Account(p.before, stream), result.Account(p.after, stream),
		d.view.EncodingOf(p.before).Name, d.view.EncodingOf(p.after).Name,
	}
	if s.before == s.after && s.decodes == s.decode {
		return fingerprint{}, nil
	}
	if mark, ok := d.known[s]; ok {
		return mark, nil
	}
	mark := tooLarge
	if !d.isLarge(p, stream) {
		text, err := d.text(ctx, p, stream)
		if err != nil {
			return fingerprint{}, err
		}
		mark = fingerprintOf(text)
	}
	d.known[s] = mark
	return mark, nil
}

// isLarge reports whether a stream is too large to compare.
func (d *differ) isLarge(p pair, stream string) bool {
	return max(result.Account(p.before, stream).Kept, result.Account(p.after, stream).Kept) > render.MaxDiff
}

// text is the unified diff of a stream.
func (d *differ) text(ctx context.Context, p pair, stream string) (string, error) {
	before, err := d.printer.Plain(ctx, d.view, p.before, stream)
	if err != nil {
		return "", err
	}
	after, err := d.printer.Plain(ctx, d.view, p.after, stream)
	if err != nil {
		return "", err
	}
	label := func(j *model.Job) string {
		return stream + " of " + j.Host + " in " + result.ShortID(j.Task)
	}
	return render.Diff(label(p.before), label(p.after), before, after)
}

// headerLines is how many lines of a unified diff name the two texts.
const headerLines = 2

func fingerprintOf(diff string) fingerprint {
	if diff == "" {
		return fingerprint{}
	}
	hash := sha256.New()
	n := 0
	for line := range strings.Lines(diff) {
		if n++; n > headerLines && (line[0] == '+' || line[0] == '-') {
			hash.Write([]byte(line))
		}
	}
	return fingerprint(hash.Sum(nil))
}

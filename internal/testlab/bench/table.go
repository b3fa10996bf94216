package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"warren/internal/testlab/bench/floor"
	"warren/internal/testlab/bench/part"
)

// A Row compares floor and Warren in one thing.
type Row struct {
	Hosts  int    `json:"hosts"`
	Runner string `json:"runner"`
	Cold   bool   `json:"cold"` // the whole process of the operator

	Processes bool `json:"processes,omitzero"` // each host is one

	Floor  Series `json:"floor"`
	Warren Series `json:"warren"`
	Syncs  Series `json:"syncs,omitempty"` // of the disk, one a round, in the same turns
}

// table measures all rows, each number of hosts with fleets of its own.
func (b *bench) table(ctx context.Context) error {
	for _, n := range b.cfg.Hosts {
		f := fleet{prefix: b.unique(), hosts: n, workers: workers(), share: 1}
		rows, err := b.rows(ctx, f, b.kinds(n))
		b.report.Rows = append(b.report.Rows, rows...)
		if err != nil {
			return err
		}
	}
	b.report.judgeTable()
	return nil
}

// kinds are the rows of n hosts.
func (b *bench) kinds(n int) (kinds []turn) {
	for _, cold := range []bool{false, true} {
		for _, r := range []struct{ runner, command string }{{Exec, "true"}, {Noop, floor.Noop}} {
			if slices.Contains(b.cfg.Runners, r.runner) {
				kinds = append(kinds, turn{command: r.command, hosts: n, times: times(n, cold), cold: cold})
			}
		}
	}
	return kinds
}

// times is how many commands are one turn: many where one is short.
func times(hosts int, cold bool) int {
	switch {
	case cold:
		return max(1, 10/hosts)
	default:
		return max(1, min(50, 500/hosts))
	}
}

// rows lets floor and Warren take turns at each kind, round by round.
func (b *bench) rows(ctx context.Context, f fleet, kinds []turn) (rows []Row, err error) {
	b.say("%d hosts: starting two fleets", f.hosts)
	low, err := b.floorSide(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, low.stop()) }()
	high, err := b.warrenSide(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, high.stop()) }()
	for _, t := range kinds {
		rows = append(rows, Row{Hosts: t.hosts, Runner: runnerOf(t.command), Cold: t.cold})
		for _, s := range []*side{low, high} { // what only the first run costs is nobody's
			t.times = 1
			if _, err := b.take(ctx, s, t); err != nil {
				return nil, err
			}
		}
	}
	if err := b.profile(ctx, f, low, high); err != nil {
		return nil, err
	}
	for round := range b.cfg.Rounds {
		b.say("%d hosts: round %d of %d", f.hosts, round+1, b.cfg.Rounds)
		for i, t := range kinds {
			for _, x := range []struct {
				side   *side
				series *Series
			}{{low, &rows[i].Floor}, {high, &rows[i].Warren}} {
				sample, err := b.take(ctx, x.side, t)
				if err != nil {
					return rows, err // with the rounds that are whole
				}
				*x.series = append(*x.series, sample)
			}
			if t.hosts == 1 {
				took, err := oneSync(b.home)
				if err != nil {
					return nil, err
				}
				rows[i].Syncs = append(rows[i].Syncs, Sample{Last: took})
			}
		}
	}
	return rows, nil
}

func runnerOf(command string) string {
	if command == floor.Noop {
		return Noop
	}
	return Exec
}

// profile has each part write one, from now to its end.
func (b *bench) profile(ctx context.Context, f fleet, low, high *side) error {
	if b.cfg.Profile == "" {
		return nil
	}
	for name, p := range map[string]*part.Part{
		"floor-agents": low.agents[0], "floor-client": low.operator, "warren-agents": high.agents[0], "warren-operator": high.operator,
	} {
		file := filepath.Join(b.cfg.Profile, name+"-"+strconv.Itoa(f.hosts))
		if _, err := p.Do(ctx, part.Order{Do: part.Profile, File: file}); err != nil {
			return err
		}
	}
	return nil
}

// syncs is how many syncs are one turn, and syncEvery how far they are apart: about
// as far as commands given to one host one after the other. A disk that was idle
// for so long answers later than one that was busy a moment ago.
const (
	syncs     = 50
	syncEvery = 2 * time.Millisecond
)

// oneSync is what a sync of the disk takes that holds dir: of a block, written
// into a file that has its size already, as a journal's is.
func oneSync(dir string) (s time.Duration, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "sync"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	var took []time.Duration
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for i := range syncs + 1 {
		<-tick.C
		block[0] = byte(i)
		begin := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begin))
	}
	return spread(took[1:]).Median, nil // the first gave the file its size
}

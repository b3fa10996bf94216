package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"warren/internal/testlab/bench/part"
)

// A side is the floor or Warren: agents, and who gives them commands.
type side struct {
	agents   []*part.Part
	operator *part.Part
	once     func(command string, hosts int) *exec.Cmd // a whole process for one command
}

// stop ends what has been started.
func (s *side) stop() error {
	var errs []error
	if s.operator != nil {
		errs = append(errs, s.operator.Stop())
	}
	for _, p := range s.agents {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// manyInOne makes a process that plays many hosts collect its garbage less often: each
// time it looks at the memory of all of them, which no host has to.
const manyInOne = "GOGC=400"

// add starts agents.
func (s *side) add(ctx context.Context, f fleet, cmd *exec.Cmd) error {
	if !f.processes {
		cmd.Env = append(cmd.Env, manyInOne)
	}
	p, err := part.Start(ctx, cmd)
	if err == nil {
		s.agents = append(s.agents, p)
	}
	return err
}

// each gives an order to all parts.
func (s *side) each(ctx context.Context, o part.Order) error {
	for _, p := range append(s.agents, s.operator) {
		if _, err := p.Do(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// used is what the operator and the agents have used so far.
func (s *side) used(ctx context.Context) (operator, agents part.Used, err error) {
	if operator, err = s.operator.Usage(ctx); err != nil {
		return operator, agents, err
	}
	add := func(u part.Used) { agents.CPU, agents.Peak = agents.CPU+u.CPU, agents.Peak+u.Peak }
	for _, p := range s.agents {
		for _, pid := range p.Known.PIDs {
			u, err := part.Of(pid)
			if err != nil {
				return operator, agents, err
			}
			add(u)
		}
		if len(p.Known.PIDs) > 0 {
			continue // the part is none of the agents
		}
		u, err := p.Usage(ctx)
		if err != nil {
			return operator, agents, err
		}
		add(u)
	}
	return operator, agents, nil
}

// fresh lets the peaks of the memory begin anew.
func (s *side) fresh(ctx context.Context) error {
	for _, p := range s.agents {
		for _, pid := range p.Known.PIDs {
			if err := part.FreshOf(pid); err != nil {
				return err
			}
		}
	}
	return s.each(ctx, part.Order{Do: part.Fresh})
}

// floorSide starts the floor's agents and client.
func (b *bench) floorSide(ctx context.Context, f fleet) (_ *side, err error) {
	s := &side{once: func(command string, hosts int) *exec.Cmd {
		return b.command(b.programs.floor, "once", "--prefix", f.prefix, "--hosts", fmt.Sprint(hosts), "--command", command)
	}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("the floor: %w", err), s.stop())
		}
	}()
	of := f.hosts // in a process
	if f.processes {
		of = 1
	}
	for first := 0; first < f.hosts; first += of {
		err := s.add(ctx, f, b.command(b.programs.floor, "agents", "--prefix", f.prefix, "--first", fmt.Sprint(first),
			"--hosts", fmt.Sprint(of), "--share", fmt.Sprint(max(f.share, 1)), "--workers", fmt.Sprint(f.workers)))
		if err != nil {
			return nil, err
		}
	}
	s.operator, err = part.Start(ctx, b.command(b.programs.floor, "client", "--prefix", f.prefix))
	return s, err
}

// warrenSide starts Warren's agents and an operator that stays.
func (b *bench) warrenSide(ctx context.Context, f fleet) (_ *side, err error) {
	s := &side{}
	s.once = func(command string, hosts int) *exec.Cmd {
		return s.knowing(b.command(b.programs.warren, "run", command, "--hosts", f.expr(hosts), "--data-dir", b.path("cold")))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("warren: %w", err), s.stop())
		}
	}()
	args := []string{"bench-agents", "--prefix", f.prefix, "--hosts", fmt.Sprint(f.hosts), "--workers", fmt.Sprint(f.workers)}
	if f.processes {
		args = append(args, "--processes")
	}
	if f.inbox {
		args = append(args, "--inbox")
	}
	if f.verbose {
		args = append(args, "--verbose")
	}
	if err := s.add(ctx, f, b.command(b.programs.lab, args...)); err != nil {
		return nil, err
	}
	s.operator, err = part.Start(ctx, s.knowing(b.command(b.programs.lab, "bench-operator", "--prefix", f.prefix, "--data-dir", b.path("operator"))))
	return s, err
}

// knowing lets an operator sign with the key that the agents know.
func (s *side) knowing(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, "WARREN_IDENTITY="+s.agents[0].Known.Key)
	return cmd
}

// command is a program of the measurement; it finds the broker by its
// environment, since a password in arguments would be everybody's to read.
func (b *bench) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "WARREN_BROKER="+b.url)
	return cmd
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"warren/cmd/internal/part"
)

// A side is the floor or Warren: agents, and who gives them commands.
type side struct {
	agents, operator *part.Part
	once             func(command string, hosts int) *exec.Cmd // a whole process for one command
}

// stop ends what has been started.
func (s *side) stop() error {
	var errs []error
	for _, p := range []*part.Part{s.operator, s.agents} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	return errors.Join(errs...)
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
	s.agents, err = part.Start(ctx, b.command(b.programs.floor, "agents", "--prefix", f.prefix,
		"--hosts", fmt.Sprint(f.hosts), "--share", fmt.Sprint(f.share), "--workers", fmt.Sprint(f.workers)))
	if err != nil {
		return nil, err
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
	s.agents, err = part.Start(ctx, b.command(b.programs.lab, "bench-agents", "--prefix", f.prefix,
		"--hosts", fmt.Sprint(f.hosts), "--workers", fmt.Sprint(f.workers)))
	if err != nil {
		return nil, err
	}
	s.operator, err = part.Start(ctx, s.knowing(b.command(b.programs.lab, "bench-operator", "--prefix", f.prefix, "--data-dir", b.path("operator"))))
	return s, err
}

// knowing lets an operator sign with the key that the agents know.
func (s *side) knowing(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, "WARREN_IDENTITY="+s.agents.Known)
	return cmd
}

// command is a program of the measurement; it finds the broker by its
// environment, since a password in arguments would be everybody's to read.
func (b *bench) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "WARREN_BROKER="+b.url)
	return cmd
}

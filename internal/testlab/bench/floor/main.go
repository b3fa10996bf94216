package floor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"warren/internal/hint"
	"warren/internal/testlab/bench/part"
)

// Main is the program warren-floor: agents, client, or once, a client for one
// command. It returns the exit status.
func Main(args []string) int {
	if err := run(args, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "error: %s\n", hint.Text(err))
		return 1
	}
	return 0
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("warren-floor", flag.ContinueOnError)
	f := Fleet{}
	flags.StringVar(&f.URL, "broker", "amqp://guest:guest@127.0.0.1:5672/", "URL of the broker; better in WARREN_BROKER")
	flags.StringVar(&f.Prefix, "prefix", "floor", "first part of the queues' names")
	flags.IntVar(&f.Hosts, "hosts", 1, "number of agents")
	flags.IntVar(&f.First, "first", 0, "number of the first of them")
	flags.IntVar(&f.Share, "share", 1, "agents to a connection")
	flags.IntVar(&f.Workers, "workers", 4, "commands at the same time")
	command := flags.String("command", Noop, "what once has the hosts execute")
	if len(args) == 0 {
		return hint.New("warren-floor agents, client or once", "warren-lab bench uses it")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if url := os.Getenv("WARREN_BROKER"); url != "" {
		f.URL = url
	}
	switch args[0] {
	case "agents":
		return f.agents(in, out)
	case "client":
		return f.client(in, out)
	case "once":
		return f.once(*command, out)
	}
	return fmt.Errorf("no such part %q", args[0])
}

// agents serves as a part of a measurement.
func (f Fleet) agents(in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		return f.Serve(ctx, func() {
			g.Go(func() error {
				defer stop()
				return part.Serve(in, out, part.Known{}, part.Refuse)
			})
		})
	})
	return g.Wait()
}

// client serves as a part of a measurement.
func (f Fleet) client(in io.Reader, out io.Writer) error {
	c, err := Connect(f.URL, f.Prefix)
	if err != nil {
		return err
	}
	err = part.Serve(in, out, part.Known{}, func(o part.Order) (a part.Answer, err error) {
		if o.Do != part.RunAll {
			return part.Refuse(o)
		}
		for range o.Times {
			r, err := c.Run(o.Command, o.Hosts)
			if err != nil {
				return a, err
			}
			a.Runs = append(a.Runs, r)
		}
		return a, nil
	})
	return errors.Join(err, c.Close())
}

// once is a whole process for one command.
func (f Fleet) once(command string, out io.Writer) error {
	c, err := Connect(f.URL, f.Prefix)
	if err != nil {
		return err
	}
	r, err := c.Run(command, f.Hosts)
	if err == nil && r.Lost > 0 {
		err = fmt.Errorf("%d replies were not what they should be", r.Lost)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "%d ok\n", f.Hosts)
	}
	return errors.Join(err, c.Close())
}

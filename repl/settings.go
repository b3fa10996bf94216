package repl

import (
	"os"
	"strings"
	"time"

	"warren/internal/broker/dial"
	"warren/internal/datadir"
	"warren/internal/wire"
	"warren/repl/cli"
)

// DefaultBroker is used where nothing names one.
const DefaultBroker = "amqp://guest:guest@127.0.0.1:5672/"

// settings are made of the globals of a program that was called with args.
func (g *globals) settings(args []string) (Settings, error) {
	s := Settings{
		Login: g.Login, Identity: g.Identity, Fleet: g.Fleet, DataDir: g.DataDir, Color: g.Color,
		ResultsRetention: time.Duration(g.ResultsRetention), ResultsSize: int64(g.ResultsSize),
	}
	if g.Fleet != "" {
		if err := wire.CheckFleet(g.Fleet); err != nil {
			return s, cli.Usage("it is the --fleet of the hosts", "--fleet: %v", err)
		}
	}
	s.Login.Password = os.Getenv("WARREN_BROKER_PASSWORD")
	for _, url := range g.Broker {
		if url = strings.TrimSpace(url); url != "" {
			s.Broker = append(s.Broker, url)
		}
	}
	if len(s.Broker) == 0 {
		s.Broker = []string{DefaultBroker}
	}
	if s.Groups = g.Groups; s.Groups == "" {
		s.Groups = configured("groups.yaml")
	}
	s.Warnings = dial.Options{URLs: s.Broker, Login: s.Login}.Warnings(args)
	if s.DataDir == "" {
		dir, err := datadir.Default()
		if err != nil {
			return s, cli.WithStatus(cli.ExitUsage, err)
		}
		s.DataDir = dir
	}
	return s, nil
}

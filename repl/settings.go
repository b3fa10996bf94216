package repl

import (
	"strings"

	"warren/internal/datadir"
)

// DefaultBroker is used where neither flag nor environment names one.
const DefaultBroker = "amqp://guest:guest@127.0.0.1:5672/"

func (g *globals) settings() (Settings, error) {
	s := Settings{Identity: g.Identity, DataDir: g.DataDir, Color: g.Color}
	for _, url := range g.Broker {
		if url = strings.TrimSpace(url); url != "" {
			s.Broker = append(s.Broker, url)
		}
	}
	if len(s.Broker) == 0 {
		s.Broker = []string{DefaultBroker}
	}
	if s.DataDir == "" {
		dir, err := datadir.Default()
		if err != nil {
			return s, withStatus(exitUsage, err)
		}
		s.DataDir = dir
	}
	return s, nil
}

package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
)

// An event log is where a service logs. *eventlog.Log is one.
type eventLog interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// eventID is the id of all events. Their text says what happened.
const eventID = 1

// An eventHandler writes records to the event log in slog's text format, without the time and
// the level, which the event log adds.
type eventHandler struct {
	events eventLog
	level  slog.Level
	attrs  []slog.Attr
	groups []string
}

func newEventHandler(events eventLog, level slog.Level) slog.Handler {
	return &eventHandler{events: events, level: level}
}

// Enabled implements slog.Handler.
func (h *eventHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle implements slog.Handler.
func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	var formatter slog.Handler = slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: withoutTimeAndLevel})
	for _, group := range h.groups {
		formatter = formatter.WithGroup(group)
	}
	if err := formatter.WithAttrs(h.attrs).Handle(ctx, r); err != nil {
		return err
	}
	line := strings.TrimSpace(text.String())
	switch {
	case r.Level >= slog.LevelError:
		return h.events.Error(eventID, line)
	case r.Level >= slog.LevelWarn:
		return h.events.Warning(eventID, line)
	default:
		return h.events.Info(eventID, line)
	}
}

func withoutTimeAndLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// WithAttrs implements slog.Handler.
func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &eventHandler{h.events, h.level, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...), h.groups}
}

// WithGroup implements slog.Handler.
func (h *eventHandler) WithGroup(name string) slog.Handler {
	return &eventHandler{h.events, h.level, h.attrs, append(h.groups[:len(h.groups):len(h.groups)], name)}
}

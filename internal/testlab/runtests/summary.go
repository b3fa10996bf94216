//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An event is one line of go test -json (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// A testID names a test; Test is empty for a package as a whole.
type testID struct{ Package, Test string }

// A summary reads the events of a run, and prints what a person wants to know.
type summary struct {
	out    io.Writer
	repeat []string // flags of the commands that repeat a test

	output      map[testID][]string // of tests that have not passed
	build       map[string][]string // the compiler's output, by import path
	running     []testID
	failures    []testID
	failedBuild map[string]string // package → import path in build
	passed      int
	skipped     int // packages without tests
}

func newSummary(out io.Writer, repeat []string) *summary {
	return &summary{
		out: out, repeat: repeat,
		output: make(map[testID][]string), build: make(map[string][]string), failedBuild: make(map[string]string),
	}
}

// read handles all events of r.
func (s *summary) read(r io.Reader) error {
	for events := json.NewDecoder(r); ; {
		var e event
		switch err := events.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("go test -json: %w", err)
		}
		s.handle(e)
	}
}

func (s *summary) handle(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.build[e.ImportPath] = append(s.build[e.ImportPath], e.Output)
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "run", "cont":
		s.running = append(s.running, id)
	case "pause":
		s.stopped(id)
	case "pass", "skip", "fail":
		if e.Test == "" {
			s.endPackage(e)
			return
		}
		s.stopped(id)
		if e.Action == "fail" {
			s.failures = append(s.failures, id)
		} else {
			delete(s.output, id)
		}
	}
}

// stopped removes a test from the running ones.
func (s *summary) stopped(id testID) {
	s.running = slices.DeleteFunc(s.running, func(other testID) bool { return other == id })
}

// endPackage prints the line of a package. A test of it that still runs was stopped by
// a timeout, a panic or a kill.
func (s *summary) endPackage(e event) {
	id := testID{Package: e.Package}
	switch e.Action {
	case "pass":
		s.passed++
		fmt.Fprintf(s.out, "ok    %6.1fs  %s\n", e.Elapsed, e.Package)
		delete(s.output, id)
		return
	case "skip":
		s.skipped++
		delete(s.output, id)
		return
	}
	fmt.Fprintf(s.out, "FAIL  %6.1fs  %s\n", e.Elapsed, e.Package)
	if e.FailedBuild != "" {
		s.failedBuild[e.Package] = e.FailedBuild
	}
	for _, test := range s.running {
		if test.Package == e.Package {
			s.failures = append(s.failures, test)
		}
	}
	s.running = slices.DeleteFunc(s.running, func(test testID) bool { return test.Package == e.Package })
	if !slices.ContainsFunc(s.failures, func(failure testID) bool { return failure.Package == e.Package }) { // TestMain, or the package does not compile
		s.failures = append(s.failures, id)
	}
}

// failed reports whether a test or a package has failed.
func (s *summary) failed() bool { return len(s.failures) > 0 }

// finish prints the failures, then the figures.
func (s *summary) finish(elapsed time.Duration) {
	failedPackages := make(map[string]bool)
	for _, id := range s.failures {
		failedPackages[id.Package] = true
		if s.hasFailedSubtest(id) {
			continue
		}
		fmt.Fprintf(s.out, "\n--- %s\n", strings.TrimSpace(id.Package+" "+id.Test))
		for _, line := range s.explanation(id) {
			fmt.Fprint(s.out, "    ", line)
		}
		fmt.Fprintf(s.out, "    repeat: %s\n", s.command(id))
	}
	fmt.Fprintf(s.out, "\n%d packages passed, %d failed, %d have no tests; %.0f s\n",
		s.passed, len(failedPackages), s.skipped, elapsed.Seconds())
}

// hasFailedSubtest reports whether a failed test below id says why id failed.
func (s *summary) hasFailedSubtest(id testID) bool {
	return id.Test != "" && len(s.messages(id)) == 0 && slices.ContainsFunc(s.failures, func(other testID) bool {
		return other.Package == id.Package && strings.HasPrefix(other.Test, id.Test+"/")
	})
}

// explanation is what a failed test or package has printed. A test that was stopped
// has its reason in the output of the package.
func (s *summary) explanation(id testID) []string {
	if path, ok := s.failedBuild[id.Package]; ok {
		return s.build[path]
	}
	lines := s.messages(id)
	if len(lines) == 0 {
		lines = s.messages(testID{Package: id.Package})
	}
	return lines
}

// progress matches the lines in which the testing package reports only its progress.
var progress = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) |\s*--- (PASS|FAIL|SKIP): )`)

func (s *summary) messages(id testID) (lines []string) {
	for _, line := range s.output[id] {
		if !progress.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// command repeats a test.
func (s *summary) command(id testID) string {
	words := append([]string{"go", "test", "-count=1"}, s.repeat...)
	if id.Test != "" {
		var parts []string
		for part := range strings.SplitSeq(id.Test, "/") {
			parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
		}
		words = append(words, "-run", "'"+strings.ReplaceAll(strings.Join(parts, "/"), "'", `'\''`)+"'")
	}
	return strings.Join(append(words, id.Package), " ")
}

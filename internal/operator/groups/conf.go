package groups

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"warren/internal/operator/groups/ini"
	"warren/internal/operator/groups/upcall"
)

// mainSection is the section of groups.conf that defines no source.
const mainSection = "Main"

// readMain reads groups.conf: first the files of its directories, then its own sources.
func (g *Groups) readMain(file string) error {
	sections, err := readSections(file)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	var own *ini.Section
	for _, s := range sections {
		if s.Name == mainSection {
			own = s
		}
	}
	if own != nil {
		err = g.readDirectories(own, dir)
	}
	if err == nil {
		err = g.addSections(file, dir, sections)
	}
	if err == nil && own != nil {
		err = g.setDefault(own)
	}
	return located(file, err)
}

// located adds the file to a mistake in it, and the line if it is known.
func located(file string, err error) error {
	switch e := err.(type) { // not one of another file, which has its place already
	case *ini.Error:
		return fmt.Errorf("groups file %s, %w", file, e)
	case problem:
		return fmt.Errorf("groups file %s, line %d: %w", file, e.line, e)
	}
	return err
}

func readSections(file string) ([]*ini.Section, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}
	sections, err := ini.Parse(string(text))
	return sections, located(file, err)
}

// readDirectories reads the files of confdir (or groupsdir, its older name) and of autodir.
func (g *Groups) readDirectories(own *ini.Section, dir string) error {
	key := "confdir"
	if _, older := own.Get("groupsdir"); older {
		key = "groupsdir"
	}
	confdirs, err := directories(own, key, dir)
	if err != nil {
		return err
	}
	for _, d := range confdirs {
		if err := g.readEach(d, ".conf", g.readConf); err != nil {
			return err
		}
	}
	autodirs, err := directories(own, "autodir", dir)
	if err != nil {
		return err
	}
	for _, d := range autodirs {
		if err := g.readEach(d, ".yaml", g.readYAML); err != nil {
			return err
		}
	}
	return nil
}

// splitPaths splits a list of paths by POSIX quoting. On Windows a backslash quotes nothing.
func splitPaths(goos, text string) ([]string, error) {
	if goos == "windows" {
		text = strings.ReplaceAll(text, `\`, `\\`)
	}
	return shellquote.Split(text)
}

// directories are those that a setting names and that exist.
func directories(own *ini.Section, key, dir string) ([]string, error) {
	value, ok, err := own.Interpolated(key)
	if err != nil || !ok {
		return nil, err
	}
	words, err := splitPaths(runtime.GOOS, value.Text)
	if err != nil {
		return nil, problem{value.Line, fmt.Sprintf("%s: %v", key, err), ""}
	}
	var found []string
	seen := map[string]bool{}
	for _, word := range words {
		d := filepath.Clean(upcall.Expand(word, dir))
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		info, err := os.Stat(d)
		switch {
		case seen[d], errors.Is(err, os.ErrNotExist):
			continue
		case err == nil && !info.IsDir():
			return nil, problem{value.Line, fmt.Sprintf("%s: %s is not a directory", key, d), ""}
		}
		seen[d] = true
		found = append(found, d)
	}
	return found, nil
}

// readEach reads the files of a directory. As ClusterShell, it skips those that this user may
// not read.
func (g *Groups) readEach(dir, ending string, read func(file string) error) error {
	files, err := filesOf(dir, ending)
	switch {
	case isDenied(err):
		g.skipped = append(g.skipped, dir)
		return nil
	case err != nil:
		return err
	}
	for _, file := range files {
		switch err := read(file); {
		case isDenied(err):
			g.skipped = append(g.skipped, file)
		case err != nil:
			return err
		}
	}
	return nil
}

func (g *Groups) readConf(file string) error {
	sections, err := readSections(file)
	if err == nil {
		err = located(file, g.addSections(file, filepath.Dir(file), sections))
	}
	return err
}

// addSections adds a source for each name of each section: [slurmpart,sp] defines two.
func (g *Groups) addSections(file, dir string, sections []*ini.Section) error {
	for _, section := range sections {
		for name := range strings.SplitSeq(section.Name, ",") {
			if name == mainSection {
				continue
			}
			calls, err := upcalls(section, strings.TrimSpace(name), dir)
			if err != nil {
				return err
			}
			if err := g.add(&source{name: calls.Name, file: file, upcall: calls}); err != nil {
				return at(section.Line, err)
			}
		}
	}
	return nil
}

// upcalls are the commands of a section.
func upcalls(section *ini.Section, name, dir string) (*upcall.Source, error) {
	u := &upcall.Source{Name: name, Dir: dir, CacheTime: upcall.DefaultCacheTime, Timeout: upcall.DefaultTimeout}
	for key, field := range map[string]*string{"map": &u.Map, "all": &u.All, "list": &u.List, "reverse": &u.Reverse} {
		value, _ := section.Get(key)
		*field = value.Text
	}
	if name == "" || u.Map == "" {
		return nil, problem{section.Line, fmt.Sprintf("source %q has no map upcall", name), "map: COMMAND prints the hosts of $GROUP"}
	}
	for key, field := range map[string]*time.Duration{"cache_time": &u.CacheTime, "timeout": &u.Timeout} {
		value, ok := section.Get(key)
		if !ok {
			continue
		}
		seconds, err := strconv.ParseFloat(value.Text, 64)
		if err != nil || math.IsNaN(seconds) || key == "timeout" && seconds <= 0 {
			return nil, problem{value.Line, fmt.Sprintf("%s: %q is not a number of seconds", key, value.Text), "write it as in  cache_time: 60"}
		}
		*field = time.Duration(min(max(seconds, 0), maxSeconds) * float64(time.Second))
	}
	return u, nil
}

// maxSeconds is a year, so that no time overflows.
const maxSeconds = 365 * 24 * 3600

// setDefault sets the source of groups without a source.
func (g *Groups) setDefault(own *ini.Section) error {
	value, ok, err := own.Interpolated("default")
	if err != nil || !ok || value.Text == "" {
		return err
	}
	if g.first = g.named(value.Text); g.first == nil {
		return problem{value.Line, fmt.Sprintf("the default source %q is not defined", value.Text), "the sources are the sections, and the top-level keys of the files in autodir"}
	}
	return nil
}

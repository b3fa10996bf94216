package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/alecthomas/kong"
)

func TestTildeIsTheHomeDirectory(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	var flags struct {
		One  string   `type:"localfile"`
		Many []string `type:"localfile" sep:"none"`
		Args []string `arg:"" type:"localfile"`
	}
	parser := kong.Must(&flags, kong.NamedMapper("localfile", LocalFile))
	if _, err := parser.Parse([]string{"--many", "~/a,b", "--one=~", "--many=-", "~/c", "./~", "~ann/d", "-", "e~/f"}); err != nil {
		t.Fatal(err)
	}
	if flags.One != home || !slices.Equal(flags.Many, []string{home + "/a,b", "-"}) ||
		!slices.Equal(flags.Args, []string{home + "/c", "./~", "~ann/d", "-", "e~/f"}) {
		t.Errorf("%+v", flags)
	}
	if _, err := parser.Parse([]string{"x", "--many"}); err == nil {
		t.Error("a flag without a value")
	}
	if s, err := (&Globals{Identity: "~/id", Groups: "~/g", Inventory: []string{"~/i"}, DataDir: "~/d"}).Settings(nil); err != nil ||
		s.Identity != home+"/id" || s.Groups != home+"/g" || s.Inventory[0] != home+"/i" || s.DataDir != home+"/d" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestMissingFileWithAWildcardHasAHint(t *testing.T) {
	for name, want := range map[string]bool{"*.conf": true, "$HOME/x": true, "~ann/x": true, "plain": false} {
		_, err := os.ReadFile(filepath.Join(t.TempDir(), name))
		if hint := UnexpandedHint(err, name); (hint != "") != want {
			t.Errorf("%s: %q", name, hint)
		}
	}
	if hint := UnexpandedHint(nil, "*"); hint != "" {
		t.Error(hint)
	}
}

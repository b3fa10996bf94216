package where

import (
	"strings"
	"testing"

	"warren/internal/wire"
)

func TestVariables(t *testing.T) {
	inventory := func(h *wire.Hello) map[string]any {
		if h.Agent != "web01" {
			return nil
		}
		return map[string]any{"tier": "front", "port": 80.0, "live": true, "off": false, "tags": []string{"a", "b"}, "secret": nil, "map": map[string]any{}}
	}
	for _, tt := range []struct{ text, want string }{
		{`vars["tier"] == "front"`, "web01"},
		{`vars.tier == "front"`, "web01"},
		{`vars["tier"] != "front"`, "db1"},
		{`vars["port"] >= 80`, "web01"},
		{`vars["port"] == "80"`, "web01"},
		{`vars["live"] == true`, "web01"},
		{`vars["off"] == false`, "web01"},
		{`vars["off"] != false`, "db1"},
		{`vars["off"] == vars["none"]`, ""},
		{`"a" in vars["tags"]`, "web01"},
		{`"tier" in vars`, "web01"},
		{`not ("tier" in vars)`, "db1"},
		{`vars["secret"] == nil`, "web01 db1"},
		{`vars["none"] == nil`, "web01 db1"},
		{`(vars["tier"] ?? "back") == "back"`, "db1"},
	} {
		c, err := Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if !c.UsesVariables() {
			t.Errorf("%s uses no variables", tt.text)
		}
		var got []string
		c.Variables = inventory
		for _, h := range []*wire.Hello{web, bare} {
			ok, err := c.Match(h)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got = append(got, h.Agent)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s matches %q, want %q", tt.text, got, tt.want)
		}
		if err := c.Check([]*wire.Hello{web}); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	c, err := Parse(`vars["map"] == "x"`)
	if err != nil {
		t.Fatal(err)
	}
	c.Variables = inventory
	if _, err := c.Match(web); err == nil || !strings.Contains(err.Error(), `vars["map"] is neither text`) {
		t.Error(err)
	}
	for _, text := range []string{`vars["off"] == "yes"`, `"yes" == vars["off"]`, `vars["off"] != "yes"`, `vars["off"] == 1`, `vars["off"] in ["yes", "true"]`} {
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Variables = inventory
		if got, err := c.Match(web); got || err == nil || err.Error() != `on web01 vars.off is true or false` {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if c, err := Parse(`labels["a"] == "b"`); err != nil || c.UsesVariables() {
		t.Errorf("%v: a label is taken for a variable", err)
	}
}

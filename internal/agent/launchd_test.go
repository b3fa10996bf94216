package agent

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// macOS has plutil -lint for this; the test reads the list as launchd does.
func TestLaunchdPropertyList(t *testing.T) {
	const file = "io.warren.warrend.plist"
	f, err := os.Open(filepath.Join(packaging, "launchd", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := propertyList(xml.NewDecoder(f))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{ // see launchd.plist(5)
		"Label": strings.TrimSuffix(file, ".plist"), "ProgramArguments": []any{"/usr/local/bin/warrend"},
		"RunAtLoad": true, "KeepAlive": true, "ThrottleInterval": 5, "ExitTimeOut": 30, "AbandonProcessGroup": true,
		"ProcessType": "Interactive", "StandardErrorPath": "/var/log/warrend.log",
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
}

func TestPropertyListIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		`<plist version="1.0"><dict><key>A</key></dict></plist>`:                           "A has no value",
		`<plist version="1.0"><dict><key>A</key><true/><key>A</key><true/></dict></plist>`: "twice",
		`<plist version="1.0"><dict><key>A</key><integer>x</integer></dict></plist>`:       "invalid syntax",
		`<plist version="1.0"><dict><true/></dict></plist>`:                                "true is no key",
		`<plist version="1.0"><dict><key>A</key><boolean>1</boolean></dict></plist>`:       "boolean",
		`<plist version="1.0"><dict><key>A</key><array><string>b</array></dict></plist>`:   "syntax error",
		`<dict></dict>`: "dict is no plist",
	} {
		if _, err := propertyList(xml.NewDecoder(strings.NewReader(text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// propertyList reads the dictionary of a property list.
func propertyList(d *xml.Decoder) (any, error) {
	for _, name := range []string{"plist", ""} {
		start, err := nextElement(d)
		if err != nil || start == nil {
			return nil, errors.Join(err, errors.New("no dictionary"))
		}
		if name == "" {
			return propertyValue(d, *start)
		}
		if start.Name.Local != name {
			return nil, fmt.Errorf("%s is no %s", start.Name.Local, name)
		}
	}
	return nil, nil
}

// nextElement returns the next element, or nil at the end of the one around it.
func nextElement(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			return &token, nil
		case xml.EndElement:
			return nil, nil
		}
	}
}

func propertyValue(d *xml.Decoder, start xml.StartElement) (any, error) {
	switch start.Name.Local {
	case "string":
		var text string
		err := d.DecodeElement(&text, &start)
		return text, err
	case "integer":
		var n int
		err := d.DecodeElement(&n, &start)
		return n, err
	case "true", "false":
		return start.Name.Local == "true", d.Skip()
	case "array":
		var list []any
		for {
			item, err := nextElement(d)
			if err != nil || item == nil {
				return list, err
			}
			value, err := propertyValue(d, *item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
	case "dict":
		return propertyDictionary(d)
	}
	return nil, fmt.Errorf("%s is no value", start.Name.Local)
}

func propertyDictionary(d *xml.Decoder) (any, error) {
	all := map[string]any{}
	for {
		start, err := nextElement(d)
		if err != nil || start == nil {
			return all, err
		}
		var key string
		if start.Name.Local != "key" {
			return nil, fmt.Errorf("%s is no key", start.Name.Local)
		}
		if err := d.DecodeElement(&key, start); err != nil {
			return nil, err
		}
		if all[key] != nil {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		value, err := nextElement(d)
		if err != nil || value == nil {
			return nil, errors.Join(err, fmt.Errorf("%s has no value", key))
		}
		if all[key], err = propertyValue(d, *value); err != nil {
			return nil, err
		}
	}
}

package setup

import (
	"slices"

	"warren/internal/config"
	"warren/internal/operator/model"
	"warren/internal/operator/signing"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// RejectedKey reports whether a host has rejected a job because it does not know the key.
func RejectedKey(jobs []model.Job) bool {
	return slices.ContainsFunc(jobs, func(j model.Job) bool { return j.Outcome == wire.Rejected && j.Reason == wire.NotPermitted })
}

// KeyHint names the key that signs, and the keys that can be selected instead.
func KeyHint(keys signing.Report) string {
	return "warren signs with " + term.Line(keys.String()) + otherKeys(keys)
}

// TaskKeyHint names the key that signed a task, by its fingerprint, and the keys that can be
// selected instead.
func TaskKeyHint(fingerprint string, keys signing.Report) string {
	all := keys.Others
	if keys.Key != nil {
		all = append([]signing.Key{*keys.Key}, all...)
	}
	signer, others := fingerprint, signing.Report{} // the key may be gone from here
	for i := range all {
		if all[i].Fingerprint == fingerprint {
			signer = all[i].String()
		} else {
			others.Others = append(others.Others, all[i])
		}
	}
	text := "the task was signed with " + term.Line(signer)
	if fingerprint == "" {
		text = "the task is unsigned"
	}
	return text + otherKeys(others)
}

// otherKeys is the end of a hint that lists the keys that can be selected instead.
func otherKeys(keys signing.Report) string {
	others := keys.OtherKeys()
	if others == "" {
		return ""
	}
	return "; other keys: " + term.Line(others) + "; --identity FILE selects a key"
}

// Config prints the settings of the process, and the keys to sign with.
func Config(out *term.Console, settings []config.Setting, keys signing.Report) error {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range settings {
		row := v.Row()
		row[2] = out.Lang.Word(row[2])
		rows = append(rows, row)
	}
	if err := out.Table(rows); err != nil {
		return err
	}
	lines := []string{"", term.Wrap(out.Lang.Sprintf("signing key: %s", term.Line(keys.String())), out.Width())}
	for i := range keys.Others {
		lines = append(lines, term.Wrap(out.Lang.Sprintf("other key: %s", term.Line(keys.Others[i].String())), out.Width()))
	}
	return out.Lines(lines)
}

// A configDocument is the settings and the keys in JSON.
type configDocument struct {
	config.Document
	Key       *signing.Key  `json:"signing_key"` // null: no key signs
	OtherKeys []signing.Key `json:"other_keys"`
}

// WriteConfig writes the settings and the keys as a JSON document.
func WriteConfig(out *term.Console, d config.Document, keys signing.Report) error {
	others := keys.Others
	if others == nil {
		others = []signing.Key{}
	}
	return cli.WriteJSON(out.Out, configDocument{d, keys.Key, others})
}

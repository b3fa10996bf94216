package setup

import (
	"slices"
	"strings"

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

// KeyHint says which key signs, and which others there are.
func KeyHint(keys signing.Report) string {
	text := "warren signs with " + term.Line(keys.String())
	if others := keys.OtherKeys(); others != "" {
		text += "; other keys: " + term.Line(others) + "; --identity FILE selects a key"
	}
	return text
}

// TaskKeyHint says which key has signed a task, by its fingerprint, and which others there are.
func TaskKeyHint(fingerprint string, keys signing.Report) string {
	all := keys.Others
	if keys.Key != nil {
		all = append([]signing.Key{*keys.Key}, all...)
	}
	signer, others := fingerprint, []string{} // the key may be gone from here
	for i := range all {
		if all[i].Fingerprint == fingerprint {
			signer = all[i].String()
		} else {
			others = append(others, all[i].String())
		}
	}
	text := "the task was signed with " + term.Line(signer)
	if fingerprint == "" {
		text = "the task is unsigned"
	}
	if len(others) > 0 {
		text += "; other keys: " + term.Line(strings.Join(others, ", ")) + "; --identity FILE selects a key"
	}
	return text
}

// Config prints the settings of the process, and the keys to sign with.
func Config(out *term.Console, settings []config.Setting, keys signing.Report) error {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, v := range settings {
		rows = append(rows, v.Row())
	}
	if err := out.Table(rows); err != nil {
		return err
	}
	lines := []string{"", "signing key: " + term.Line(keys.String())}
	for i := range keys.Others {
		lines = append(lines, "other key: "+term.Line(keys.Others[i].String()))
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

package setup

import (
	"fmt"
	"math"
	"strings"
	"time"

	"warren/internal/operator/hostexpr"
	"warren/internal/operator/model"
	"warren/internal/operator/signing"
	"warren/internal/wire"
	"warren/repl/cli"
	"warren/repl/term"
)

// Rights prints what the signing key may do on hosts. It returns an error if the key may do
// nothing on some of them, or these do not answer.
func Rights(out *term.Console, rights []model.Rights, keys signing.Report, json bool) (err error) {
	if json {
		err = writeRights(out, rights, keys)
	} else {
		err = printRights(out, rights, keys)
	}
	if err != nil {
		return err
	}
	return noRights(rights, keys)
}

// printRights prints a table, in which hosts with equal rights share rows.
func printRights(out *term.Console, rights []model.Rights, keys signing.Report) error {
	rows := [][]string{{"HOSTS", "COMMANDS", "USER", "OPTIONS", "EXPIRES", "MAX VALIDITY", "MAX OUTPUT"}}
	hosts := map[string][]string{}
	var order []string // of the first host with these rights
	cells := map[string][][]string{}
	for i := range rights {
		described := describeRights(&rights[i])
		id := fmt.Sprintf("%q", described)
		if hosts[id] == nil {
			order, cells[id] = append(order, id), described
		}
		hosts[id] = append(hosts[id], rights[i].Host)
	}
	for _, id := range order {
		cells[id][0][0] = hostexpr.Fold(hosts[id])
		for _, row := range cells[id] {
			row[1] = out.Lang.Text(row[1])
			rows = append(rows, row)
		}
	}
	if err := out.Table(rows); err != nil {
		return err
	}
	return out.Lines([]string{"", term.Wrap(out.Lang.Sprintf("signing key: %s", term.Line(keys.String())), out.Width())})
}

// describeRights returns rows of the table, without the host: one for each expression. Only the
// first has more columns, so that a reason takes the rest of its row.
func describeRights(r *model.Rights) (rows [][]string) {
	row := func(command string) []string { return []string{" ", command} }
	g := r.Answer
	switch {
	case r.Refused:
		return [][]string{row("none: " + r.Reason)}
	case g == nil:
		return [][]string{row("?: " + r.Reason)}
	case !r.Permitted():
		return [][]string{row("none: " + map[string]string{
			wire.GrantExpired: "the key's line has expired", wire.GrantRevoked: "the key is revoked",
		}[g.State])}
	case !g.Confined:
		rows = [][]string{row("any")}
	}
	for _, expression := range g.Commands {
		rows = append(rows, row(expression))
	}
	if g.Omitted > 0 {
		rows = append(rows, row(fmt.Sprintf("(%d more entries of the line are not listed)", g.Omitted)))
	}
	if len(rows) == 0 { // only permit-push or permit-collect
		rows = append(rows, row("-"))
	}
	rows[0] = append(rows[0], users(g), strings.Join(options(g), " "), expires(g), validity(g), maxOutput(g))
	return rows
}

// users are the users that commands may run as.
func users(g *wire.Granted) string {
	if len(g.RunAs) == 0 {
		return g.User
	}
	return strings.Join(g.RunAs, ",")
}

// options are the other options of the line, as authorized_operators has them.
func options(g *wire.Granted) (list []string) {
	for _, o := range []struct {
		name  string
		given bool
	}{{"permit-shell", g.Shell}, {"permit-script", g.Script}, {"permit-stdin", g.Stdin}, {"any-job", g.AnyJob}} {
		if o.given {
			list = append(list, o.name)
		}
	}
	for _, o := range []struct {
		name   string
		values []string
	}{{"permit-env", g.Env}, {"permit-cwd", g.Cwds}, {"permit-push", g.Push}, {"permit-collect", g.Collect}} {
		if len(o.values) > 0 {
			list = append(list, o.name+"="+strings.Join(o.values, ","))
		}
	}
	return list
}

func expires(g *wire.Granted) string {
	if g.Expires == 0 {
		return ""
	}
	return time.UnixMilli(g.Expires).UTC().Format(time.RFC3339)
}

func validity(g *wire.Granted) string {
	if g.MaxValidity == 0 {
		return ""
	}
	return term.Duration(time.Duration(min(g.MaxValidity, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond)
}

func maxOutput(g *wire.Granted) string {
	if g.MaxOutput == 0 {
		return ""
	}
	return term.Size(g.MaxOutput)
}

// A rightsDocument is a host's answer in JSON. What is not known is null.
type rightsDocument struct {
	Host    string           `json:"host"`
	Agent   *string          `json:"agent"`
	State   *string          `json:"state"` // valid, expired, revoked or refused
	Reason  *string          `json:"reason"`
	Permits *permitsDocument `json:"permits"`
}

type permitsDocument struct {
	Rule        string     `json:"rule"`
	User        *string    `json:"user"`
	Confined    bool       `json:"confined"` // only Commands are permitted
	Commands    []string   `json:"commands"`
	Shell       bool       `json:"permit_shell"`
	Script      bool       `json:"permit_script"`
	Stdin       bool       `json:"permit_stdin"`
	Env         []string   `json:"permit_env"`
	Cwds        []string   `json:"permit_cwd"`
	Push        []string   `json:"permit_push"`
	Collect     []string   `json:"permit_collect"`
	RunAs       []string   `json:"run_as"`
	AnyJob      bool       `json:"any_job"`
	Expires     *time.Time `json:"expires"`
	MaxValidity *int64     `json:"max_validity_ms"`
	MaxOutput   *int64     `json:"max_output"`
	Omitted     int        `json:"omitted"` // entries of the lists
}

// writeRights writes a JSON document.
func writeRights(out *term.Console, rights []model.Rights, keys signing.Report) error {
	list := make([]rightsDocument, len(rights))
	for i := range rights {
		list[i] = documentRights(&rights[i])
	}
	return cli.WriteJSON(out.Out, map[string]any{"signing_key": keys.Key, "rights": list})
}

func documentRights(r *model.Rights) rightsDocument {
	d := rightsDocument{Host: r.Host, Reason: cli.PtrOrNil(r.Reason)}
	switch g := r.Answer; {
	case r.Refused:
		d.State = cli.PtrOrNil("refused")
	case g != nil:
		d.Agent, d.State = cli.PtrOrNil(g.Agent), cli.PtrOrNil(g.State)
		if r.Permitted() {
			d.Permits = documentGrant(g)
		}
	}
	return d
}

func documentGrant(g *wire.Granted) *permitsDocument {
	list := func(entries []string) []string { return append([]string{}, entries...) }
	d := &permitsDocument{
		Rule: g.Rule, User: cli.PtrOrNil(g.User), Confined: g.Confined, Commands: list(g.Commands),
		Shell: g.Shell, Script: g.Script, Stdin: g.Stdin, Env: list(g.Env), Cwds: list(g.Cwds), Push: list(g.Push), Collect: list(g.Collect), RunAs: list(g.RunAs),
		AnyJob: g.AnyJob, MaxValidity: cli.PtrOrNil(g.MaxValidity), MaxOutput: cli.PtrOrNil(g.MaxOutput), Omitted: g.Omitted,
	}
	if g.Expires != 0 {
		at := time.UnixMilli(g.Expires).UTC()
		d.Expires = &at
	}
	return d
}

// noRights returns an error if the key has no rights on some hosts, or these do not answer.
func noRights(rights []model.Rights, keys signing.Report) error {
	missing, hint := 0, ""
	for i := range rights {
		if !rights[i].Permitted() {
			missing++
		}
		if rights[i].Refused {
			hint = "hosts list rights only to keys in their authorized_operators; " + KeyHint(keys)
		}
	}
	if missing == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %s do not permit the key anything or did not answer", missing, term.Plural(len(rights), "host"))
	if len(rights) == 1 {
		text = "the host does not permit the key anything, or did not answer"
	}
	return &cli.Error{Status: cli.ExitFailed, Text: text, Hint: hint}
}

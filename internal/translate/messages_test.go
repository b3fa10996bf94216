//go:build unix

package translate_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"warren/internal/agent/status"
	"warren/internal/operator/model"
	"warren/internal/translate"
	"warren/internal/wire"
	"warren/repl/grammar"
)

// A message is an English text of the source code, as a format string.
type message struct {
	format string
	pos    token.Position
}

// findMessages returns the texts in the packages that the programs link, in the order of the
// source code, and the places where they are not translated.
func findMessages(t *testing.T, root string, mains ...string) (texts, faults []message) {
	t.Helper()
	c := &collector{root: root, fset: token.NewFileSet(), seen: map[string]bool{}, consts: map[string]map[string]string{}}
	for _, dir := range mains {
		c.walkPackage(t, dir)
	}
	return c.messages, c.faults
}

type collector struct {
	root     string
	fset     *token.FileSet
	seen     map[string]bool // directories
	messages []message
	faults   []message                    // texts that are not translated, whatever the table has
	consts   map[string]map[string]string // string constants, by directory and name
	dir      string                       // of the file that is walked
	done     map[ast.Node]bool            // string expressions that are part of another
	formats  map[ast.Node]bool            // that are format strings
	texts    map[ast.Node]bool            // that are texts for a person because of their place
	keys     map[ast.Node]bool            // that are looked up in the table as they are
}

// walkPackage collects the texts of a package and of the packages of the module that it imports.
func (c *collector) walkPackage(t *testing.T, dir string) {
	if c.seen[dir] {
		return
	}
	c.seen[dir] = true
	files, err := filepath.Glob(filepath.Join(c.root, dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if below, ok := strings.CutPrefix(path, "warren/"); ok {
				c.walkPackage(t, below)
			}
		}
		c.addConstants(dir, file)
		if !slices.Contains(noTexts, dir) && !slices.Contains(noTexts, dir+"/"+filepath.Base(name)) {
			parsed = append(parsed, file)
		}
	}
	c.dir = dir
	for _, file := range parsed {
		c.walkFile(file)
	}
}

// addConstants notes the string constants of a file.
func (c *collector) addConstants(dir string, file *ast.File) {
	if c.consts[dir] == nil {
		c.consts[dir] = map[string]string{}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			return true
		}
		for _, spec := range d.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				if text, ok := literal(value); ok {
					c.consts[dir][spec.Names[i].Name] = text
				}
			}
		}
		return true
	})
}

// noTexts are packages and files whose strings no person reads.
var noTexts = []string{
	"internal/translate",
	"internal/operator/results/sqlite", // SQL
	"internal/agent/metrics/page.go",   // help of metrics, for Prometheus
	"internal/agent/sdnotify",          // for systemd

	// Scripts and definitions for a node of the broker.
	"internal/operator/brokersetup/definitions.go", "internal/operator/brokersetup/remove.go", "internal/operator/brokersetup/script.go",

	// Malformed messages of other programs.
	"internal/wire/batch.go", "internal/wire/check.go", "internal/wire/errors.go", "internal/wire/granted.go", "internal/wire/reply.go",
	"internal/wire/reply_check.go", "internal/wire/request.go", "internal/wire/secret.go", "internal/wire/strict/fault.go", "internal/wire/strict/strict.go", "internal/wire/tree.go",
}

// details are the long help of the commands of warren.
func details() (keys []string) {
	var walk func(node *kong.Node)
	walk = func(node *kong.Node) {
		if node.Detail != "" {
			keys = append(keys, strings.ReplaceAll(strings.TrimSpace(node.Detail), "%", "%%"))
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(grammar.ShellModel())
	walk(grammar.PromptModel())
	return keys
}

func (c *collector) walkFile(file *ast.File) {
	c.done, c.formats, c.texts, c.keys = map[ast.Node]bool{}, map[ast.Node]bool{}, map[ast.Node]bool{}, map[ast.Node]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Help" {
			continue // details returns what it returns
		}
		ast.Inspect(d, c.visit)
	}
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec:
		return false
	case *ast.CallExpr:
		return c.visitCall(n)
	case *ast.Field:
		c.visitTag(n)
		return true
	case *ast.CompositeLit:
		if isRows(n.Type) {
			c.markRows(n)
		}
	case *ast.KeyValueExpr:
		if textFields.MatchString(nameOf(n.Key)) {
			c.texts[n.Value] = true
		}
	case *ast.BinaryExpr, *ast.BasicLit:
		c.visitString(n.(ast.Expr))
	}
	return true
}

// variable is a variable of kong in a tag.
var variable = regexp.MustCompile(`\$\{\w+\}`)

func (c *collector) visitTag(f *ast.Field) {
	if f.Tag == nil {
		return
	}
	c.done[f.Tag] = true
	text, _ := strconv.Unquote(f.Tag.Value)
	if help := reflect.StructTag(text).Get("help"); help != "" {
		c.add(variable.ReplaceAllString(strings.ReplaceAll(help, "%", "%%"), "%s"), f.Tag)
	}
}

// textFields are fields whose values are texts.
var textFields = regexp.MustCompile(`^([hH]elp|[hH]int|[tT]ext|[rR]eason)$`)

// isRows reports whether a type is [][]string, that of the rows of a table.
func isRows(t ast.Expr) bool {
	outer, ok := t.(*ast.ArrayType)
	if !ok {
		return false
	}
	inner, ok := outer.Elt.(*ast.ArrayType)
	return ok && fmt.Sprint(inner.Elt) == "string"
}

func (c *collector) markRows(rows *ast.CompositeLit) {
	for _, row := range rows.Elts {
		if row, ok := row.(*ast.CompositeLit); ok {
			for _, cell := range row.Elts {
				c.texts[cell] = true
			}
		}
	}
}

// Where a function's texts are: the index of its format string or text, and of its hint.
var formatCalls = regexp.MustCompile(`(f|^Usage|^Note)$`)

// languageCalls are methods of Language whose arguments are texts.
var languageCalls = regexp.MustCompile(`[lL]ang\.(Word|Text|Sprintf|Fprintf)$`)

// notForPeople are calls whose arguments are for programs or logs.
var notForPeople = regexp.MustCompile(`^(panic|regexp\.\w+|exec\.\w+|\w*[lL]og\w*\.(\w+)|slog\.\w+|\w+\.[lL]og\w*\.\w+|\w+\.\w+\.[lL]og\w*\.\w+|os\.Getenv|\w+\.Get)$`)

func (c *collector) visitCall(call *ast.CallExpr) bool {
	name := nameOf(call.Fun)
	last := name[strings.LastIndex(name, ".")+1:]
	if printCalls.MatchString(name) {
		for _, arg := range call.Args {
			c.checkPrinted(arg)
		}
	}
	switch {
	case notForPeople.MatchString(name):
		return false
	case name == "t.add": // rows of warrend status
		for i, arg := range call.Args {
			c.texts[arg], c.formats[arg], c.keys[arg] = i == 1, i == 1, i == 1
		}
	case last == "WordIn":
		context, inCode := literal(call.Args[0])
		for _, arg := range call.Args {
			c.done[arg] = true
		}
		if word, ok := literal(call.Args[1]); ok && inCode {
			c.add(context+"\x04"+word, call)
		} // words has the others
	case languageCalls.MatchString(name):
		for _, arg := range call.Args {
			c.texts[arg], c.keys[arg] = true, last != "Text"
			c.formats[arg] = last == "Sprintf" || last == "Fprintf"
		}
	case last == "Plural" && len(call.Args) == 2:
		if noun, ok := literal(call.Args[1]); ok {
			c.done[call.Args[1]] = true
			c.add("%d "+noun, call)
			c.add("%d "+noun+"s", call)
		}
	case last == "PluralOf" && len(call.Args) == 3:
		for _, arg := range call.Args[1:] {
			if noun, ok := literal(arg); ok {
				c.done[arg] = true
				c.add("%d "+noun, call)
			}
		}
	case formatCalls.MatchString(last):
		for i, arg := range call.Args {
			if isString(arg) {
				c.texts[arg], c.keys[arg] = true, last == "Note"
				if !(i == 0 && (last == "Errorf" && strings.HasPrefix(name, "hint.") || last == "Usage")) {
					c.formats[arg] = true
				}
			}
		}
	case last == "New" && (strings.HasPrefix(name, "errors.") || strings.HasPrefix(name, "hint.")):
		for _, arg := range call.Args {
			c.texts[arg] = true
		}
	}
	return true
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return nameOf(e.Fun)
	}
	return "?"
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// isString reports whether an expression has a string literal in it, by itself or in a sum.
func isString(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.BinaryExpr:
		return e.Op == token.ADD && (isString(e.X) || isString(e.Y))
	case *ast.ParenExpr:
		return isString(e.X)
	}
	return false
}

func (c *collector) visitString(e ast.Expr) {
	if c.done[e] || !isString(e) {
		return
	}
	format, isConstant := c.template(e, c.formats[e], c.keys[e])
	if c.isText(e, format) {
		c.add(format, e)
		if c.keys[e] && !isConstant {
			c.fault("put together of parts that are not constant, so it is not found in the table; give the parts to verbs", format, e)
		}
	}
}

// isText reports whether a string is a text for a person.
func (c *collector) isText(e ast.Expr, format string) bool {
	literals := translate.ParseFormat(strings.TrimSpace(format)).Literals
	words := strings.Join(literals, "%")
	_, isSum := e.(*ast.BinaryExpr)
	return c.texts[e] && letters.MatchString(words) || prose.MatchString(words) || (isSum || len(literals) > 1) && wordBesideValue.MatchString(words)
}

// printCalls print their arguments as they are. A writer is called w.
var printCalls = regexp.MustCompile(`^(fmt\.Fprint(ln|f)?|io\.WriteString|(\w+\.)?w\.WriteString|.*\.Lines)$`)

// checkPrinted looks for texts that are printed without a translation.
func (c *collector) checkPrinted(arg ast.Expr) {
	ast.Inspect(arg, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			return !languageCalls.MatchString(nameOf(n.Fun)) && !strings.HasSuffix(nameOf(n.Fun), ".WordIn")
		case *ast.BinaryExpr, *ast.BasicLit:
			if e := n.(ast.Expr); isString(e) {
				if format, _ := c.template(e, false, false); c.isText(e, format) {
					c.fault("printed without a translation", format, e)
				}
				ast.Inspect(e, func(part ast.Node) bool { delete(c.done, part); return true })
				return false
			}
		}
		return true
	})
}

// hostOutput are files that print on a host: their texts are output of the job there, as that of a command.
var hostOutput = regexp.MustCompile(`/(internal/files/report|executor/filejob/helper)\.go$`)

func (c *collector) fault(what, format string, n ast.Node) {
	if hostOutput.MatchString(filepath.ToSlash(c.fset.Position(n.Pos()).Filename)) {
		return
	}
	c.faults = append(c.faults, message{fmt.Sprintf("%q is %s", format, what), c.fset.Position(n.Pos())})
}

// template writes a sum of strings as one format string, and reports whether all its parts are
// constant. A part with a name is a value, except in a key, which needs the text of the constant.
func (c *collector) template(e ast.Expr, isFormat, isKey bool) (format string, isConstant bool) {
	c.done[e] = true
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			left, okLeft := c.template(e.X, isFormat, isKey)
			right, okRight := c.template(e.Y, isFormat, isKey)
			return left + right, okLeft && okRight
		}
	case *ast.ParenExpr:
		return c.template(e.X, isFormat, isKey)
	case *ast.BasicLit:
		if text, ok := literal(e); ok {
			return asFormat(text, isFormat), true
		}
	case *ast.Ident:
		if text, ok := c.consts[c.dir][e.Name]; ok && isKey {
			return asFormat(text, isFormat), true
		}
	case *ast.SelectorExpr:
		for dir, consts := range c.consts {
			if text, ok := consts[e.Sel.Name]; ok && isKey && filepath.Base(dir) == nameOf(e.X) {
				return asFormat(text, isFormat), true
			}
		}
	}
	delete(c.done, e)
	return "%s", false
}

func asFormat(text string, isFormat bool) string {
	if !isFormat && !commonVerb.MatchString(text) {
		return strings.ReplaceAll(text, "%", "%%")
	}
	return text
}

var (
	letters = regexp.MustCompile(`[A-Za-z]{2}`)
	prose   = regexp.MustCompile(`[a-z]{2,},? [a-z]{2,}`)

	// commonVerb is a verb in a string that may be a format string.
	commonVerb = regexp.MustCompile(`%[-+#0]*\d*(\.\d+)?[sdqvw]`)

	// wordBesideValue is a word beside a blank beside a value.
	wordBesideValue = regexp.MustCompile(`(^|[^a-z])[a-z]{2,}:? %|% [a-z]{2,}($|[^a-z])`)
)

func (c *collector) add(format string, n ast.Node) {
	format = strings.TrimSpace(format)
	c.messages = append(c.messages, message{format, c.fset.Position(n.Pos())})
}

// messages are the texts of both programs, and the places where they are not translated.
func messages(t *testing.T) (texts, faults []message) {
	return findMessages(t, "../..", "cmd/warren", "cmd/warrend")
}

func (m *message) place() string {
	rel, _ := filepath.Rel("../..", m.pos.Filename)
	return fmt.Sprintf("%s:%d", filepath.ToSlash(rel), m.pos.Line)
}

// The names of outcomes, states and other words stand in counts, such as "2 canceled".
func words() (keys []string) {
	keys = append(keys, "login", "agents", "clock", "permissions", "replies", "requests") // steps of doctor
	keys = append(keys, "connected", "any", "a blank", "default", "up", "connecting", "blocked")
	keys = append(keys, "state", "agent", "link", "names", "jobs", "ended", "disk", "refused", "once") // of warrend status
	for _, state := range []status.State{status.OK, status.Degraded} {
		keys = append(keys, "agent\x04"+string(state))
	}
	for _, state := range []string{"stopped", "starting", "stopping", "running", "resuming", "pausing", "paused"} { // of warrend service status
		keys = append(keys, "service\x04"+state)
	}
	for _, o := range model.Outcomes {
		keys = append(keys, string(o), "%d "+string(o))
	}
	for _, s := range []model.State{model.Pending, model.Sent, model.Accepted, model.Running} {
		keys = append(keys, string(s), s.Text().Word)
	}
	for _, word := range []string{model.StatusOK, "exited %s", "signaled %s", string(wire.TimedOut), string(wire.Canceled), string(wire.Interrupted)} {
		keys = append(keys, word, word+", %s left running")
	}
	keys = append(keys, "%d failed, %d allowed") // why a rollout has stopped
	for _, stream := range []string{wire.Stdout, wire.Stderr} {
		keys = append(keys, stream+" of %s: %s", "%s of "+stream+" of %s: %s")
	}
	for _, r := range model.CancelResults {
		keys = append(keys, "%d "+r.Text().Word)
	}
	return keys
}

func TestEveryMessageIsTranslated(t *testing.T) {
	entries, err := translate.Chinese()
	if err != nil {
		t.Fatal(err)
	}
	english := map[string]bool{}
	text, err := os.ReadFile("testdata/english.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] == '"' {
			key, err := strconv.Unquote(line)
			if err != nil {
				t.Fatalf("english.txt: %s: %v", line, err)
			}
			english[key] = true
		}
	}
	translated := map[string]bool{}
	for _, e := range entries {
		if e.Translation != "" {
			translated[e.Key] = true
		}
	}
	known := map[string]bool{}
	var missing strings.Builder
	n := 0
	want := func(key, where string) {
		if known[key] {
			return
		}
		known[key] = true
		if !translated[key] && !english[key] {
			n++
			fmt.Fprintf(&missing, "#: %s\n%s\n", where, blankEntry(key))
		}
	}
	texts, faults := messages(t)
	for _, m := range texts {
		want(m.format, m.place())
	}
	for _, m := range faults {
		t.Errorf("%s: %s", m.place(), m.format)
	}
	for _, key := range words() {
		want(key, "internal/operator/model/text.go")
	}
	for _, key := range details() {
		want(key, "repl/command")
	}
	for _, e := range entries {
		if !e.System && !known[e.Key] {
			t.Errorf("zh_CN.po translates %q, which is not in the code", e.Key)
		}
	}
	for key := range english {
		if !known[key] {
			t.Errorf("english.txt has %q, which is not in the code", key)
		}
		if translated[key] {
			t.Errorf("%q is in english.txt and in zh_CN.po", key)
		}
	}
	if n > 0 {
		t.Errorf("%d texts have no translation in zh_CN.po and are not listed in testdata/english.txt:\n\n%s", n, &missing)
	}
}

// Messages name no place of Warren's files that is another one on other systems, unless they
// name the system too.
func TestMessagesNameNoPlaceOfOneSystem(t *testing.T) {
	texts := details()
	all, _ := messages(t)
	for _, m := range all {
		texts = append(texts, m.format)
	}
	for _, text := range texts {
		for _, place := range []string{"~/.config/warren", "~/.local/share/warren", "/etc/warren", "/var/lib/warrend", `%ProgramData%`, `%AppData%`} {
			if strings.Contains(text, place) && !strings.Contains(text, "on Linux, "+place) && text != place {
				t.Errorf("%q names %s", text, place)
			}
		}
	}
}

// blankEntry is what zh_CN.po needs for a key.
func blankEntry(key string) string {
	context, text, ok := strings.Cut(key, "\x04")
	if !ok {
		return fmt.Sprintf("msgid %q\nmsgstr \"\"\n", key)
	}
	return fmt.Sprintf("msgctxt %q\nmsgid %q\nmsgstr \"\"\n", context, text)
}

func TestTranslationsHaveTheVerbsAndParagraphsOfTheirKeys(t *testing.T) {
	entries, err := translate.Chinese()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Wrong != nil {
			t.Errorf("%q: %q: %v", e.Key, e.Translation, e.Wrong)
		}
		for english, chinese := range map[string]string{"\n": "\n", "exit status": "退出状态"} {
			if strings.Count(strings.ToLower(e.Key), english) != strings.Count(e.Translation, chinese) {
				t.Errorf("%q has not as many %q as its translation has %q: %q", e.Key, english, chinese, e.Translation)
			}
		}
	}
}

// The search for texts finds those that are put together, and those that nothing translates.
func TestPartsOfTextsAreFound(t *testing.T) {
	root := t.TempDir()
	const source = `package x

const noun = "hosts"

func f(w io.Writer, lang *translate.Language, env *Env, name string) {
	lang.Fprintf(w, "no agent of the "+noun+" answers\n")
	lang.Fprintf(w, "no agent of "+name+" answers\n")
	fmt.Fprintln(w, "nobody translates this")
	env.IO.Lines([]string{"task on " + name + ": " + name})
	fmt.Fprintln(w, lang.Text("task for "+name))
	fmt.Fprintln(w, name+": ", 1)
}
`
	if err := errors.Join(os.Mkdir(root+"/x", 0o700), os.WriteFile(root+"/x/x.go", []byte(source), 0o600)); err != nil {
		t.Fatal(err)
	}
	texts, faults := findMessages(t, root, "x")
	var found []string
	for _, m := range texts {
		found = append(found, m.format)
	}
	if want := []string{"no agent of the hosts answers", "no agent of %s answers", "nobody translates this", "task on %s: %s", "task for %s"}; !slices.Equal(found, want) {
		t.Errorf("texts %q\nwant  %q", found, want)
	}
	found = nil
	for _, m := range faults {
		found = append(found, fmt.Sprintf("%d: %s", m.pos.Line, m.format))
	}
	want := []string{
		`7: "no agent of %s answers\n" is put together of parts that are not constant, so it is not found in the table; give the parts to verbs`,
		`8: "nobody translates this" is printed without a translation`,
		`9: "task on %s: %s" is printed without a translation`,
	}
	if !slices.Equal(found, want) {
		t.Errorf("faults\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}

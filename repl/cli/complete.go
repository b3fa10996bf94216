package cli

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"warren/internal/operator/groups/lookup"
	"warren/internal/operator/model"
	"warren/repl/result"
	"warren/repl/term"
)

const (
	completeTime   = 500 * time.Millisecond // for what the store is asked
	completeGroups = 5 * time.Second        // for the program of a source of groups, once its name is typed
	completeTasks  = 50                     // newest tasks whose ids are offered
)

// A NameStore knows the names that are completed.
type NameStore interface {
	Hosts(ctx context.Context) ([]string, error)
	Tasks(ctx context.Context, limit int) ([]model.Task, error)
}

// A Completer offers words for the one at the cursor. The line editor calls it
// in the goroutine that reads; it shares nothing with the session but the store.
type Completer struct {
	store   NameStore              // nil where there is none
	list    func(choices []Choice) // shows several words above the line; nil where the shell does that
	groups  lookup.Config          // the sources of groups
	grammar *kong.Node
}

// A Choice is a word that the one at the cursor may become. The note of an id is its command.
type Choice struct{ Word, Note string }

// ListAbove has list show the choices above the line where there are several.
func (c *Completer) ListAbove(list func(choices []Choice)) *Completer {
	c.list = list
	return c
}

// NewCompleter completes lines of a grammar. The completer alone uses the cache of groups.
func NewCompleter(store NameStore, groups lookup.Config, grammar *kong.Node) *Completer {
	return &Completer{store: store, groups: groups, grammar: grammar}
}

// Complete has the line and the cursor's position in characters.
func (c *Completer) Complete(line string, pos int) (head string, words []string, tail string) {
	runes := []rune(line)
	left, tail := string(runes[:pos]), string(runes[pos:])
	done, current, quoted := typed(left)
	if flag, ok := c.takesFile(done, current); ok {
		head, words = c.completeFile(left, flag, strings.TrimPrefix(current, flag))
		return head, words, tail
	}
	known := c.known(done, current, quoted)
	// A list of hosts is one word; what is completed is its last name.
	piece := current[lastName(current):]
	if !strings.HasSuffix(left, piece) { // quotes or escapes within it
		return left, nil, tail
	}
	var choices []Choice
	noted := false
	for _, k := range known {
		if strings.HasPrefix(k, piece) {
			word, note, ok := strings.Cut(k, noteMark)
			words, choices, noted = append(words, word), append(choices, Choice{word, note}), noted || ok
		}
	}
	if len(words) > 1 && c.list != nil {
		words = []string{commonPrefix(words)}
		if noted || words[0] == piece {
			c.list(choices)
		}
	}
	return strings.TrimSuffix(left, piece), words, tail
}

// noteMark separates a word from the note that is shown beside it.
const noteMark = "\t"

func commonPrefix(words []string) string {
	prefix := words[0]
	for _, word := range words {
		for !strings.HasPrefix(word, prefix) {
			_, last := utf8.DecodeLastRuneInString(prefix)
			prefix = prefix[:len(prefix)-last]
		}
	}
	return prefix
}

// known returns the words that are valid at the cursor.
func (c *Completer) known(done []string, current string, quoted bool) []string {
	if len(done) == 0 {
		return names(c.grammar.Children)
	}
	node := ChildNamed(c.grammar, done[0])
	if node == nil || node.Name == "help" {
		if node == nil || len(done) > 1 {
			return nil
		}
		return names(c.grammar.Children)
	}
	command := node
	if len(done) > 1 {
		if child := ChildNamed(node, done[1]); child != nil {
			node = child
		}
	}
	flag := flagNamed(node, done[len(done)-1])
	if name, _, ok := strings.Cut(current, "="); ok && strings.HasPrefix(name, "--") {
		flag = flagNamed(node, name)
	}
	switch {
	case flag != nil && !flag.IsBool():
		return c.values(flag.Name, current)
	case quoted && command.Name != "use":
		return nil
	case strings.HasPrefix(current, "-"):
		return flagNames(node)
	case command.Name == "hosts" && len(done) == 1:
		return names(node.Children)
	case command.Name == "hosts", command.Name == "use":
		return c.expressions(current)
	case node.Name == "completion" && len(done) == 1:
		return []string{"bash ", "zsh ", "fish "}
	case len(node.Positional) > 0 && node.Positional[0].Name == "id" && len(done) <= len(node.Positional):
		return c.tasks()
	}
	return nil
}

// values are those of a flag, as far as they are known.
func (c *Completer) values(flag, current string) []string {
	switch flag {
	case "hosts", "host", "exclude":
		return c.expressions(current)
	case "outcome":
		return model.StatusNames()
	case "color", "show-results":
		return whenWords
	}
	return nil
}

// expressions are what the last name of a host expression may be: after an @ a
// group, or an outcome with the id of a task; else a host.
func (c *Completer) expressions(current string) []string {
	name := current[lastName(current):]
	if !strings.HasPrefix(name, "@") {
		return c.hosts()
	}
	word, _, ok := strings.Cut(name[1:], ":")
	if ok && slices.Contains(model.StatusNames(), word) {
		return c.tasksOf("@" + word + ":")
	}
	sources := lookup.New(c.groups)
	if ok && sources.Runs(word) {
		return groupNames(sources, word)
	}
	var known []string
	names, err := sources.Sources()
	if err == nil && lookup.HasAnsible() && !slices.Contains(names, lookup.Ansible) {
		names = append(names, lookup.Ansible)
	}
	for _, source := range names {
		if sources.Runs(source) && sources.Written(source, "") != "@" { // only once its name is typed
			known = append(known, "@"+source+":")
			continue
		}
		known = append(known, groupNames(sources, source)...)
	}
	if isGroup := func(word string) bool { return !strings.HasSuffix(word, ":") }; name == "@" && slices.ContainsFunc(known, isGroup) {
		return known // the outcomes once more is typed
	}
	for _, word := range model.StatusNames() {
		known = append(known, "@"+word+":")
	}
	return known
}

// groupNames are the groups of a source as they are written in an expression.
func groupNames(sources *lookup.Groups, source string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completeGroups)
	defer cancel()
	names, _, err := sources.Names(ctx, source)
	if err != nil {
		return nil
	}
	for i := range names {
		names[i] = sources.Written(source, names[i])
	}
	return names
}

// lastName is where the last name of a list of hosts begins.
func lastName(list string) int { return strings.LastIndexAny(list, " ,=!&^\t") + 1 }

func (c *Completer) hosts() []string {
	if c.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	hosts, err := c.store.Hosts(ctx)
	if err != nil {
		return nil
	}
	return hosts
}

func (c *Completer) tasks() []string { return c.tasksOf("") }

// tasksOf returns the ids of the newest tasks, newest first, each with the prefix before and
// with its command as a note.
func (c *Completer) tasksOf(before string) []string {
	if c.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	tasks, err := c.store.Tasks(ctx, completeTasks)
	if err != nil {
		return nil
	}
	ids := make([]string, len(tasks))
	for i := range tasks {
		ids[i] = before + idAmong(tasks, tasks[i].ID) + " " + noteMark + term.Clip(term.Line(tasks[i].Command), noteWidth)
	}
	return ids
}

// noteWidth is the number of columns of a command beside an id.
const noteWidth = 60

// idAmong returns the short form of an id, or the whole id if another task has the same short
// form.
func idAmong(tasks []model.Task, id string) string {
	short := result.ShortID(id)
	for i := range tasks {
		if tasks[i].ID != id && strings.HasPrefix(tasks[i].ID, short) {
			return id
		}
	}
	return short
}

func names(nodes []*kong.Node) []string {
	var list []string
	for _, n := range nodes {
		if !n.Hidden {
			list = append(list, n.Name+" ")
		}
	}
	return list
}

// flagsOf returns the flags that a command or subcommand takes, with those of the program.
func flagsOf(node *kong.Node) []*kong.Flag {
	flags := append(inherited(node), visibleFlags(node)...)
	if node.Parent == nil {
		return flags
	}
	program := node.Parent
	for program.Parent != nil {
		program = program.Parent
	}
	return append(flags, visibleFlags(program)...)
}

func flagNames(node *kong.Node) []string {
	var list []string
	for _, f := range flagsOf(node) {
		list = append(list, "--"+f.Name+" ")
	}
	slices.Sort(list)
	return list
}

func flagNamed(node *kong.Node, word string) *kong.Flag {
	for _, f := range flagsOf(node) {
		if "--"+f.Name == word {
			return f
		}
	}
	return nil
}

// typed parts what is left of the cursor into whole words and the one that is
// being typed, which may be within quotes.
func typed(left string) (done []string, current string, quoted bool) {
	var word strings.Builder
	inWord := false
	quote := rune(0)
	for _, c := range left {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				done = append(done, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	return done, word.String(), quote != 0
}

// ShellWords are what current may become after the words before it, each with a tab and a
// note if it has one.
func (c *Completer) ShellWords(before []string, current string) []string {
	var done []string
	for i := range before {
		word := strings.Trim(before[i], `"'`)
		switch {
		case word == "=" && len(done) > 0: // bash parts words there
			continue
		case len(done) == 0 && strings.HasPrefix(word, "-"): // of the whole program
			continue
		case len(done) == 0 && i > 0 && c.takesValue(before[i-1]):
			continue
		}
		done = append(done, word)
	}
	current = strings.TrimLeft(current, `"'`)
	piece := current[lastName(current):]
	head := strings.TrimSuffix(current, piece)
	var out []string
	for _, word := range c.after(before, done, current) {
		if strings.HasPrefix(word, piece) {
			word, note, _ := strings.Cut(word, noteMark)
			if word = head + strings.TrimSuffix(word, " "); note != "" {
				word += noteMark + note
			}
			out = append(out, word)
		}
	}
	return out
}

func (c *Completer) after(before, done []string, current string) []string {
	if len(done) > 0 {
		return c.known(done, current, false)
	}
	if n := len(before); n > 0 && c.takesValue(before[n-1]) {
		return c.values(strings.TrimLeft(before[n-1], "-"), current)
	}
	if strings.HasPrefix(current, "-") {
		return flagNames(c.grammar)
	}
	return names(c.grammar.Children)
}

// takesValue reports whether the word after this one is the value of a flag of
// the whole program.
func (c *Completer) takesValue(word string) bool {
	flag := flagNamed(c.grammar, word)
	return flag != nil && !flag.IsBool()
}

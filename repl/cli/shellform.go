package cli

import (
	"regexp"
	"strings"
)

// namedCommand matches the commands that a text for a person names as they are typed at the
// prompt. Some are English words too, so that what follows decides: "hosts lists the agents" names
// a command, "hosts list rights" does not. A translation has only the commands in English.
var namedCommand = regexp.MustCompile(`\bcheck_task\b` +
	`|\b(?:cancel|pause|resume|retry|wait|watch|diff) (?:[0-9a-f]{8}\b|\[?ID|-[0-9])` +
	`|\bresume continues\b` +
	`|\b(?:tasks|hosts|rights|config|doctor) (?:lists\b|shows\b|asks\b|\[?--[a-z]|\p{Han})` +
	`|\bhosts (?:expand|fold|groups|forget) (?:EXPR|NAME|"|shows\b|\p{Han})` +
	`|\bhelp (?:lists\b|\p{Han}|[A-Za-z-]+(?: [a-z]+)? (?:lists|explains|\p{Han}))` +
	`|\b(?:run|grep) ["']` +
	`|\b(?:push|collect) (?:/|[A-Z])`)

// formsOfCommands precede the form of a command.
var formsOfCommands = []string{"usage: ", "用法："}

// ShellForm puts "warren" before the commands that a text for a person names, so that they can be
// pasted into a shell.
func ShellForm(text string) string {
	var b strings.Builder
	for _, mark := range formsOfCommands {
		if before, usage, ok := strings.Cut(text, mark); ok && !strings.HasPrefix(usage, "warren ") {
			b.WriteString(before + mark)
			b.WriteString("warren ")
			b.WriteString(usage)
			return b.String()
		}
	}
	rest := 0
	for _, at := range namedCommand.FindAllStringIndex(text, -1) {
		before := text[:at[0]]
		if strings.HasSuffix(before, "warren ") || before != "" && strings.ContainsAny(before[len(before)-1:], `-/."'@=`) {
			continue
		}
		b.WriteString(text[rest:at[0]] + "warren ")
		rest = at[0]
	}
	b.WriteString(text[rest:])
	return b.String()
}

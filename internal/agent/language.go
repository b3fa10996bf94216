package agent

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"warren/internal/config"
	"warren/internal/translate"
)

// language is the language of the person who runs the program; nil is English.
func language() *translate.Language { return translate.FromEnvironment(os.Getenv) }

// translatedHelp returns the option for help in a language. In Chinese, each text has its own
// line below its flag: kong breaks lines only at blanks.
func translatedHelp(lang *translate.Language) kong.Option {
	if lang == nil {
		return kong.Help(kong.DefaultHelpPrinter)
	}
	return kong.Help(func(_ kong.HelpOptions, ctx *kong.Context) error {
		node := ctx.Selected()
		if node == nil {
			node = ctx.Model.Node
		}
		var b strings.Builder
		_, _ = lang.Fprintf(&b, "Usage: %s\n", translate.Plain(ctx.Model.Name+" "+strings.TrimSpace(node.Summary())))
		fmt.Fprintf(&b, "\n%s\n", lang.Text(node.Help))
		if len(node.Children) > 0 {
			b.WriteString(lang.Word("\nCommands:\n"))
		}
		for _, child := range node.Children {
			if !child.Hidden {
				fmt.Fprintf(&b, "  %s\n      %s\n", child.Name, lang.Text(child.Help))
			}
		}
		b.WriteString(lang.Word("\nFlags:\n"))
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				fmt.Fprintf(&b, "  %s\n      %s\n", f, lang.Text(f.Help)+config.DefaultText(lang, f))
			}
		}
		_, err := fmt.Fprint(ctx.Stdout, b.String())
		return err
	})
}

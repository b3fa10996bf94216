package repl

// A paint colors text, or leaves it as it is. It is put on what is laid out
// already: its bytes have no width.
type paint bool

func (p paint) with(sgr, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p paint) ok(text string) string    { return p.with("32", text) } // green: as it should be
func (p paint) bad(text string) string   { return p.with("31", text) } // red: it went wrong
func (p paint) doubt(text string) string { return p.with("33", text) } // yellow: not known, or not yet

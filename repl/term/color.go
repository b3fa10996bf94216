package term

// A Paint colors text, or leaves it as it is. It is put on what is laid out
// already: its bytes have no width.
type Paint bool

func (p Paint) with(sgr, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p Paint) OK(text string) string    { return p.with("32", text) } // green: as it should be
func (p Paint) Bad(text string) string   { return p.with("31", text) } // red: it went wrong
func (p Paint) Doubt(text string) string { return p.with("33", text) } // yellow: not known, or not yet

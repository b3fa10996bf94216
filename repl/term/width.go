package term

import (
	"regexp"
	"strings"

	"warren/internal/displaywidth"
)

var columns = displaywidth.Terminal

// Width is the number of columns that one line of text takes.
func Width(line string) int { return displaywidth.Of(line) }

// Clip shortens a line to so many columns, with "…" at its end where something
// is missing. Less than 1 leaves it as it is.
func Clip(line string, width int) string {
	if width < 1 || len(line) <= width || Width(line) <= width {
		return line
	}
	return strings.TrimRight(columns.Truncate(line, width-1, ""), " ") + "…"
}

// Wrap breaks a line where it is wider than width, at blanks and between wide characters such
// as those of Chinese, and indents what follows by two columns. Less than 1 leaves the line as
// it is.
func Wrap(line string, width int) string { return strings.Join(WrapText(line, "  ", width), "\n") }

// WrapText is Wrap with another indent, in lines.
func WrapText(line, indent string, width int) []string {
	var parts []part
	for i, word := range strings.Split(line, " ") {
		for j, text := range splitWide(word) {
			gap := ""
			if i > 0 && j == 0 {
				gap = " "
			}
			parts = append(parts, part{text, gap})
		}
	}
	return wrapParts(parts, indent, width)
}

// WrapWords joins words by gap into lines of at most width columns; each line but the
// first begins with indent. A word that is wider stays whole. Less than 1 is one line.
// Colors (SGR sequences) take no room.
func WrapWords(words []string, gap, indent string, width int) []string {
	parts := make([]part, len(words))
	for i, word := range words {
		parts[i] = part{word, gap}
	}
	return wrapParts(parts, indent, width)
}

// A part is text that stays on one line.
type part struct{ text, gap string } // gap: before it, unless it begins a line

func wrapParts(parts []part, indent string, width int) (lines []string) {
	line, filled := "", false // filled: the line has a word
	for i, p := range parts {
		switch next := line + p.gap + p.text; {
		case i == 0:
			line = p.text
		case width > 0 && filled && p.text != "" && Width(sgr.ReplaceAllString(next, "")) > width:
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent + p.text
		default:
			line = next
		}
		filled = filled || p.text != ""
	}
	return append(lines, line)
}

// splitWide splits a word before and after each wide character. No part begins with a
// closing mark or ends with an opening one.
func splitWide(word string) (parts []string) {
	const closing, opening = "，。；：、？！）」』”’》", "（「『“‘《"
	start := 0
	var before rune
	for i, r := range word {
		if i > start && (columns.RuneWidth(r) == 2 || columns.RuneWidth(before) == 2) &&
			!strings.ContainsRune(closing, r) && !strings.ContainsRune(opening, before) {
			parts = append(parts, word[start:i])
			start = i
		}
		before = r
	}
	return append(parts, word[start:])
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Pad fills a line up to so many columns.
func Pad(line string, width int) string { return displaywidth.Pad(line, width) }

// Columns arranges words in columns, downwards, on lines of at most width columns.
func Columns(words []string, width int) []string {
	widest := 0
	for _, word := range words {
		widest = max(widest, Width(word)+2)
	}
	across := max(1, (width+2)/max(1, widest))
	down := (len(words) + across - 1) / across
	lines := make([]string, down)
	for i, word := range words {
		lines[i%down] += Pad(word, widest)
	}
	for i, line := range lines {
		lines[i] = Clip(strings.TrimRight(line, " "), width)
	}
	return lines
}

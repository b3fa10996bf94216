//go:build unix

package process

// CodePage returns 0: commands print UTF-8, or the encoding of their locale.
func CodePage() int { return 0 }

func toCodePage(text string) ([]byte, error) { return []byte(text), nil }

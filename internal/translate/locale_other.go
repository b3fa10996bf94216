//go:build !windows

package translate

// userLocale is the language of the user interface; "" where only the environment says it.
func userLocale() string { return "" }

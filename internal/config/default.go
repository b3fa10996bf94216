package config

import (
	"cmp"

	"github.com/alecthomas/kong"

	"warren/internal/translate"
)

// DefaultText names the default of a flag and its environment variable, for help; "" if it has
// neither.
func DefaultText(lang *translate.Language, flag *kong.Flag) string {
	switch env := cmp.Or(flag.Envs...); {
	case flag.Default != "" && env != "":
		return lang.Sprintf(" (default %s, or $%s)", translate.Plain(flag.Default), env)
	case flag.Default != "":
		return lang.Sprintf(" (default %s)", translate.Plain(flag.Default))
	case env != "":
		return lang.Sprintf(" (or $%s)", env)
	}
	return ""
}

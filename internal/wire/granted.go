package wire

import (
	"cmp"
	"fmt"
	"slices"

	"warren/internal/wire/strict"
)

// A grantList is one of the lists of a Granted, with the name of its member.
type grantList struct {
	member  string
	entries *[]string
}

func (g *Granted) lists() []grantList {
	return []grantList{{"commands", &g.Commands}, {"env", &g.Env}, {"cwds", &g.Cwds}, {"push", &g.Push}, {"collect", &g.Collect}, {"run_as", &g.RunAs}}
}

func (g *Granted) check() error {
	valid := g.State == GrantValid
	switch {
	case !valid && g.State != GrantExpired && g.State != GrantRevoked:
		return strict.Invalid("state", "is not one of the three states of rights")
	case valid != (g.Rule != ""):
		return checkPresence("rule", valid, g.State+" grant")
	case !valid && !g.empty():
		return strict.Invalid("state", "is %s, yet rights are listed", g.State)
	case g.Confined && len(g.Commands)+len(g.Push)+len(g.Collect) == 0 && g.Omitted == 0:
		return strict.Invalid("commands", "is missing in a confined grant, as are push and collect")
	case !g.Confined && (len(g.Commands) > 0 || g.Shell || g.Script || g.Stdin || len(g.Cwds)+len(g.Push)+len(g.Collect) > 0):
		return strict.Invalid("confined", "is missing, yet rights of a confined line are listed")
	case g.MaxValidity < 0 || g.MaxValidity > MaxTime:
		return strict.Invalid("max_validity_ms", "is out of range")
	case g.MaxOutput < 0 || g.MaxOutput > MaxSize:
		return strict.Invalid("max_output", "is out of range")
	}
	for _, l := range g.lists() {
		if err := checkGrants(l.member, *l.entries); err != nil {
			return err
		}
	}
	return first(
		checkReply(g.Job, g.Agent, "at", g.At),
		checkWords("rule", g.Rule, MaxReason),
		checkWords("user", g.User, MaxUser),
		checkTimeIfAny("expires", g.Expires),
		checkCount("omitted", g.Omitted),
	)
}

// empty reports whether the reply lists no right.
func (g *Granted) empty() bool {
	for _, l := range g.lists() {
		if len(*l.entries) > 0 {
			return false
		}
	}
	return g.User == "" && !g.Confined && !g.AnyJob && g.Expires == 0 && g.MaxValidity == 0 && g.MaxOutput == 0 && g.Omitted == 0
}

func checkGrants(member string, list []string) error {
	if len(list) > MaxGrants {
		return strict.Invalid(member, "has %d entries, the limit is %d", len(list), MaxGrants)
	}
	for i, s := range list {
		if err := checkWords(fmt.Sprintf("%s[%d]", member, i), s, MaxGrant); err != nil {
			return err
		}
	}
	return nil
}

// clean makes all texts valid UTF-8, and omits entries that are too long: a part of an
// expression has another meaning than the whole.
func (g *Granted) clean() {
	g.Rule, g.User = cleanReason(g.Rule), strict.Clip(cleanUTF8(g.User), MaxUser)
	for _, l := range g.lists() {
		var kept []string
		for _, s := range *l.entries {
			if s = cleanUTF8(s); len(s) <= MaxGrant && len(kept) < MaxGrants {
				kept = append(kept, s)
			}
		}
		g.Omitted += len(*l.entries) - len(kept)
		*l.entries = kept
	}
}

// shorten omits the second half of the longest list, and reports whether it could.
func (g *Granted) shorten() bool {
	size := func(l grantList) (n int) {
		for _, s := range *l.entries {
			n += len(s)
		}
		return n
	}
	longest := slices.MaxFunc(g.lists(), func(a, b grantList) int { return cmp.Compare(size(a), size(b)) })
	n := len(*longest.entries)
	if n < 2 {
		return false
	}
	*longest.entries = (*longest.entries)[:n/2]
	g.Omitted += n - n/2
	return true
}

package config

import (
	"maps"
	"slices"
	"strings"

	"example.com/signet/pkg/service"
	"example.com/signet/services/receiver/internal/source"
)

// strays lists, sorted, the variables that look as if they were about a named source and mean nothing: a slip in
// GITHUB_WEBHOOK_SECRET_NEW would otherwise be a rotation that never happens.
func strays(env service.Environment, sources []source.Spec) []string {
	var found []string
	for _, variable := range slices.Sorted(maps.Keys(env)) {
		if about(variable, sources) && !means(variable) {
			found = append(found, variable)
		}
	}
	return found
}

// about reports whether a variable bears the name of a source, or a word that only variables of sources have.
func about(variable string, sources []source.Spec) bool {
	if strings.HasPrefix(variable, "WEBHOOK_") || strings.HasPrefix(variable, "RECEIVER_") {
		return false // looked at elsewhere
	}
	if strings.Contains(variable, "_WEBHOOK_") || strings.HasSuffix(variable, guardSuffix) {
		return true
	}
	return slices.ContainsFunc(sources, func(s source.Spec) bool {
		rest, ours := strings.CutPrefix(variable, strings.ToUpper(s.Name)+"_")
		return ours && (strings.Contains(rest, "WEB") || strings.Contains(rest, "SCHEME") || strings.Contains(rest, "REPLAY"))
	})
}

// means reports whether a variable of a named source is one that is read.
func means(variable string) bool {
	if _, _, ok := secretName(variable); ok {
		return true
	}
	for _, suffix := range []string{schemeSuffix, guardSuffix} {
		if prefix, _, ok := sourceName(variable, suffix); ok && prefix != "" {
			return true
		}
	}
	return false
}

package config

import (
	"maps"
	"slices"
	"strings"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/service"
	"example.com/signet/pkg/signature"
	"example.com/signet/services/receiver/internal/source"
)

// placeholder is what tutorials write where a secret belongs.
const placeholder = "your-secret-key-here"

// Endings of the variables that a source may have.
const (
	secretSuffix = "WEBHOOK_SECRET"
	schemeSuffix = "WEBHOOK_SCHEME"
	guardSuffix  = "REPLAY_GUARD"
)

// The default source's replay guard, which would have no name but its ending, and the one kind there is.
const (
	defaultGuard = "WEBHOOK_REPLAY_GUARD"
	guardBody    = "body"
)

// secretVariables names a source's secrets in the order they are tried: during a rotation most requests carry
// the new one.
func secretVariables(prefix string) []string {
	return []string{prefix + secretSuffix + "_NEW", prefix + secretSuffix, prefix + secretSuffix + "_OLD"}
}

// secretName takes a variable such as GITHUB_WEBHOOK_SECRET_NEW apart: its prefix (GITHUB_, or nothing for the
// default source) and the source's name.
func secretName(variable string) (prefix, name string, ok bool) {
	base, cut := strings.CutSuffix(variable, "_NEW")
	if !cut {
		base = strings.TrimSuffix(variable, "_OLD")
	}
	return sourceName(base, secretSuffix)
}

func sourceName(variable, suffix string) (prefix, name string, ok bool) {
	prefix, ok = strings.CutSuffix(variable, suffix)
	if !ok || prefix != "" && !strings.HasSuffix(prefix, "_") {
		return "", "", false
	}
	if prefix == "" {
		return "", source.Default, true
	}
	name = strings.ToLower(strings.TrimSuffix(prefix, "_"))
	return prefix, name, name != ""
}

// readSources finds every source in the environment. The default one always exists.
func readSources(env service.Environment, cfg *Config) ([]source.Spec, service.Faults) {
	r := sourceReader{env: env, cfg: cfg, names: map[string]string{source.Default: ""}}
	r.find()
	specs := []source.Spec{r.defaultSource()}
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		if name != source.Default {
			specs = append(specs, r.named(name))
		}
	}
	return specs, r.faults
}

type sourceReader struct {
	env    service.Environment
	cfg    *Config
	names  map[string]string // source → its variables' prefix
	faults service.Faults
}

func (r *sourceReader) fault(variable, problem string) {
	r.faults = append(r.faults, service.Fault{Variable: variable, Problem: problem})
}

// find collects the names of sources, and the variables that name none.
func (r *sourceReader) find() {
	for _, variable := range slices.Sorted(maps.Keys(r.env)) {
		prefix, name, ok := secretName(variable)
		if !ok || prefix == "" {
			continue
		}
		if problem := nameProblem(name); problem != "" {
			r.fault(variable, problem)
			continue
		}
		if known, taken := r.names[name]; taken && known != prefix {
			r.fault(variable, "names a source that "+known+secretSuffix+" names already")
			continue
		}
		r.names[name] = prefix
	}
	r.orphans(schemeSuffix, "names the scheme of")
	r.orphans(guardSuffix, "guards")
}

// orphans are the variables about sources that no secret makes.
func (r *sourceReader) orphans(suffix, does string) {
	for _, variable := range slices.Sorted(maps.Keys(r.env)) {
		prefix, name, ok := sourceName(variable, suffix)
		if ok && prefix != "" && variable != defaultGuard && r.names[name] != prefix {
			r.fault(variable, does+" a source without a secret: set "+prefix+secretSuffix)
		}
	}
}

// nameProblem says what a name cannot be in a path.
func nameProblem(name string) string {
	if name == source.Default {
		return "the default source's secret is WEBHOOK_SECRET"
	}
	if len(name) > relay.MaxSource {
		return "names a source with more than 64 characters"
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "names a source with other characters than letters, digits, _ and -"
		}
	}
	return ""
}

func (r *sourceReader) defaultSource() source.Spec {
	spec := r.spec(source.Default, "", r.defaultSchemes())
	if r.cfg.AllowUnsigned && len(spec.Secrets) > 0 {
		r.fault("WEBHOOK_ALLOW_UNSIGNED", "must not be true beside "+strings.Join(r.present(""), ", ")+
			": a secret that anybody can go without proves nothing")
		return spec
	}
	spec.Unsigned = r.cfg.AllowUnsigned
	return r.proven(spec, "")
}

// defaultSchemes reads the one scheme of the default source, which may be any, or several, among which the
// headers choose.
func (r *sourceReader) defaultSchemes() []string {
	text := strings.TrimSpace(r.env[schemeSuffix])
	names := []string{text} // a description has commas of its own
	if !strings.HasPrefix(text, described) {
		names = strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
	}
	if r.env[schemeSuffix] != "" && len(names) == 0 { // it was to limit the source, and must not open it to all
		r.fault(schemeSuffix, "names no scheme: leave it out to have all that headers announce")
	}
	var known []string
	for _, name := range names {
		info, err := signature.Describe(name)
		switch {
		case err != nil:
			r.fault(schemeSuffix, schemeProblem(err))
		case len(names) > 1 && !info.Detected:
			r.fault(schemeSuffix, "must not name "+name+" beside others: requests of its kind cannot be told by their headers")
		default:
			known = append(known, name)
		}
	}
	return known
}

func (r *sourceReader) named(name string) source.Spec {
	prefix := r.names[name]
	variable := prefix + schemeSuffix
	scheme := strings.TrimSpace(r.env[variable])
	if scheme == "" {
		scheme = schemeNamed(name)
	}
	switch _, err := signature.Describe(scheme); {
	case scheme == "":
		r.fault(variable, "must name the signature scheme of source "+name+": one of "+strings.Join(signature.Schemes(), ", ")+
			", or a description such as hmac-sha256:header=X-Acme-Signature")
	case err != nil:
		r.fault(variable, schemeProblem(err))
	default:
		return r.proven(r.spec(name, prefix, []string{scheme}), prefix)
	}
	return r.spec(name, prefix, nil)
}

// described begins a scheme that is described instead of named.
const described = "hmac-"

// schemeNamed finds the scheme that a source is named after. Variables cannot have the dashes of some schemes.
func schemeNamed(name string) string {
	for _, scheme := range []string{name, strings.ReplaceAll(name, "_", "-")} {
		if slices.Contains(signature.Schemes(), scheme) {
			return scheme
		}
	}
	return ""
}

func schemeProblem(err error) string { return "cannot be used: " + err.Error() }

func (r *sourceReader) spec(name, prefix string, schemes []string) source.Spec {
	spec := source.Spec{
		Name: name, Schemes: schemes, Tolerance: max(r.cfg.Tolerance, 0),
		MaxBody: int(r.cfg.MaxBody), ReplayGuard: r.guarded(prefix, schemes),
	}
	if spec.MaxBody == 0 {
		spec.MaxBody = mostOf(schemes)
	}
	for _, variable := range r.present(prefix) {
		spec.Secrets = append(spec.Secrets, r.env[variable])
	}
	return spec
}

// mostOf is the size of the largest body taken where none is set: what the provider documents, if that is more
// than the default. Several providers share the default.
func mostOf(schemes []string) int {
	if len(schemes) != 1 {
		return defaultMaxBody
	}
	info, err := signature.Describe(schemes[0])
	if err != nil {
		return defaultMaxBody
	}
	return max(defaultMaxBody, info.MaxBody)
}

// guarded reads a source's replay guard.
func (r *sourceReader) guarded(prefix string, schemes []string) bool {
	variable := prefix + guardSuffix
	if prefix == "" {
		variable = defaultGuard
	}
	value, given := r.env[variable]
	switch {
	case given && value != guardBody:
		r.fault(variable, "must be "+guardBody+", or not be set")
	case given && slices.Contains(schemes, "twilio"):
		r.fault(variable, "cannot guard against replays of Twilio's forms: they can be written in other bytes under the same signature")
	}
	return given
}

// present lists the secret variables that are set.
func (r *sourceReader) present(prefix string) []string {
	return slices.DeleteFunc(secretVariables(prefix), func(v string) bool { return r.env[v] == "" })
}

// proven tries the source's secrets one by one, so that each fault names the variable it is about.
func (r *sourceReader) proven(spec source.Spec, prefix string) source.Spec {
	for i, variable := range r.present(prefix) {
		if strings.TrimSpace(spec.Secrets[i]) == placeholder {
			r.fault(variable, "must be a secret of your own, not the placeholder of the tutorial")
			continue
		}
		alone := spec
		alone.Secrets = spec.Secrets[i : i+1]
		if _, err := source.New(alone); err != nil {
			r.fault(variable, "cannot be used: "+err.Error())
		}
	}
	return spec
}

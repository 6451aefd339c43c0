package signature

import (
	"net/url"
	"slices"
	"strings"
)

// Faults of the URL and method, for schemes that sign them.

// address is a URL in the pieces that proxies change. Pieces are kept as they
// are written.
type address struct {
	scheme, host, port string // the port with its colon
	path, query        string // the query with its question mark
}

// splitAddress does without a parser, which would normalise.
func splitAddress(text string) (address, bool) {
	var a address
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return a, false
	}
	rest, _, _ = strings.Cut(rest, "#") // never sent
	end := len(rest)
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		end = at
	}
	a.scheme, a.host, a.path = scheme, rest[:end], rest[end:]
	if at := strings.IndexByte(a.path, '?'); at >= 0 {
		a.path, a.query = a.path[:at], a.path[at:]
	}
	if at := strings.LastIndexByte(a.host, ':'); at > strings.LastIndexByte(a.host, ']') && at > strings.LastIndexByte(a.host, '@') {
		a.host, a.port = a.host[:at], a.host[at:]
	}
	return a, true
}

func (a address) String() string { return a.scheme + "://" + a.host + a.port + a.path + a.query }

// otherURLs supposes that the URL is not written as the sender knows it.
func (i *inquiry) otherURLs(yield func(variant) bool) {
	a, ok := splitAddress(i.request.URL)
	if !i.scheme.signsURL || !ok || len(i.request.URL) > 2*maxHeader {
		return
	}
	seen := map[string]bool{i.request.URL: true}
	try := func(changed address, cause Cause, detail string) bool {
		text := changed.String()
		if seen[text] {
			return true
		}
		seen[text] = true
		r := i.request
		r.URL = text
		return yield(variant{request: r, finding: found(cause, "%s", detail)})
	}
	_ = i.otherOrigins(a, try) && otherPaths(a, try) && otherQueries(a, try)
}

// tryAddress tries another address and tells whether to go on.
type tryAddress func(changed address, cause Cause, detail string) bool

func (i *inquiry) otherOrigins(a address, try tryAddress) bool {
	swapped, noPort, defaultPort := a, a, a
	if a.scheme == "http" {
		swapped.scheme = "https"
	} else {
		swapped.scheme = "http"
	}
	noPort.port, defaultPort.port = "", defaultPortOf(a.scheme)
	lower := a
	lower.scheme, lower.host = strings.ToLower(a.scheme), strings.ToLower(a.host)
	both, other := swapped, swapped
	both.port, other.port = "", defaultPortOf(swapped.scheme)
	const scheme = "The sender knows the URL with another scheme: "
	detail := scheme + swapped.scheme + ", not " + a.scheme + "."
	return try(swapped, CauseURLScheme, detail) &&
		try(noPort, CauseURLPort, "The sender knows the URL without a port.") &&
		try(defaultPort, CauseURLPort, "The sender knows the URL with its default port, "+defaultPort.port+".") &&
		try(lower, CauseURLHost, "The sender knows the host of the URL in lower case.") &&
		try(both, CauseURLScheme, detail) && try(other, CauseURLScheme, detail) &&
		i.forwarded(a, try)
}

// forwarded tries what the request says of its address, and a proxy of the one before it.
func (i *inquiry) forwarded(a address, try tryAddress) bool {
	last := func(name string) string {
		values := i.request.Header.Values(name)
		if len(values) != 1 || len(values[0]) > maxHeader || strings.ContainsAny(values[0], "/?#@ ") {
			return ""
		}
		return values[0]
	}
	named := a
	if host := last("Host"); host != "" {
		named.host, named.port = host, ""
	}
	if !try(named, CauseURLHost, "The sender knows the URL with the host that the Host header names.") {
		return false
	}
	changed := named
	if host := last("X-Forwarded-Host"); host != "" {
		changed.host, changed.port = host, ""
	}
	if proto := last("X-Forwarded-Proto"); proto != "" {
		changed.scheme = proto
	}
	return try(changed, CauseURLHost, "The sender knows the URL with the host and scheme that X-Forwarded-Host and X-Forwarded-Proto name.")
}

func defaultPortOf(scheme string) string {
	if scheme == "http" {
		return ":80"
	}
	return ":443"
}

func otherPaths(a address, try tryAddress) bool {
	slash, plain := a, a
	if shorter, found := strings.CutSuffix(a.path, "/"); found {
		slash.path = shorter
	} else {
		slash.path += "/"
	}
	if decoded, err := url.PathUnescape(a.path); err == nil {
		plain.path = decoded
	}
	escaped := a
	escaped.path = (&url.URL{Path: plain.path}).EscapedPath()
	return try(slash, CauseURLPath, "The URL differs in the slash at the end of its path.") &&
		try(plain, CauseURLPath, "The sender signs the path of the URL without escapes.") &&
		try(escaped, CauseURLPath, "The sender signs the path of the URL with escapes.")
}

// maxPermuted is how many parameters are tried in every order.
const maxPermuted = 3

func otherQueries(a address, try tryAddress) bool {
	if a.query == "" {
		return true
	}
	queried := func(query, detail string) bool {
		changed := a
		changed.query = query
		return try(changed, CauseURLQuery, detail)
	}
	const order, escapes = "The parameters of the URL's query stand in another order than when they were signed.", "The URL's query is escaped otherwise than when it was signed."
	if !queried("", "The sender signs the URL without its query.") {
		return false
	}
	pairs := strings.Split(a.query[1:], "&")
	for _, sorted := range orders(pairs) {
		if !queried("?"+strings.Join(sorted, "&"), order) {
			return false
		}
	}
	plain, err := url.QueryUnescape(a.query[1:])
	return queried(strings.ReplaceAll(a.query, "+", "%20"), escapes) &&
		queried(strings.ReplaceAll(a.query, "%20", "+"), escapes) &&
		(err != nil || queried("?"+plain, escapes))
}

// orders are the likely orders of some pairs: sorted and reversed, and all when
// they are few.
func orders(pairs []string) [][]string {
	sorted, reversed := slices.Sorted(slices.Values(pairs)), slices.Clone(pairs)
	slices.Reverse(reversed)
	all := [][]string{sorted, reversed}
	if len(pairs) > maxPermuted {
		return all
	}
	return append(all, permutations(pairs)...)
}

func permutations(pairs []string) [][]string {
	if len(pairs) < 2 {
		return [][]string{pairs}
	}
	var all [][]string
	for n, first := range pairs {
		rest := slices.Delete(slices.Clone(pairs), n, n+1)
		for _, order := range permutations(rest) {
			all = append(all, append([]string{first}, order...))
		}
	}
	return all
}

// otherMethods supposes another method. Which schemes sign it is not said, but
// none does that does not sign the URL.
func (i *inquiry) otherMethods(yield func(variant) bool) {
	if !i.scheme.signsURL {
		return
	}
	for _, method := range []string{strings.ToUpper(i.request.Method), "POST", "GET", "PUT", "PATCH", "DELETE"} {
		if method == i.request.Method {
			continue
		}
		r := i.request
		r.Method = method
		if !yield(variant{request: r, finding: found(CauseMethod, "The request is signed for the method %s, and %s.", method, i.methodUsed())}) {
			return
		}
	}
}

// methodUsed never repeats what may be no method at all.
func (i *inquiry) methodUsed() string {
	if i.request.Method == "" {
		return "none was given"
	}
	return "arrived with another"
}

// missingURL is a sign that nothing else can be told.
func (i *inquiry) missingURL() []Finding {
	if a, ok := splitAddress(i.request.URL); !i.scheme.signsURL || ok && a.host != "" {
		return nil
	}
	return []Finding{finding(CauseURLMissing, "%s signs the public URL with scheme and host, and none was given.", i.scheme.name)}
}

// urlSigns remind of what cannot be guessed.
func (i *inquiry) urlSigns() []Finding {
	if !i.scheme.signsURL {
		return nil
	}
	a, ok := splitAddress(i.request.URL)
	if !ok {
		return nil
	}
	found := []Finding{finding(CauseURLHost, "%s signs the URL, which was taken to be %q: compare scheme, host, port and path with what the sender has.",
		i.scheme.name, a.scheme+"://"+a.host+a.port+a.path)}
	if a.query == "" {
		found = append(found, finding(CauseURLQuery, "%s signs the URL: it may have had a query, which is lost.", i.scheme.name))
	}
	return found
}

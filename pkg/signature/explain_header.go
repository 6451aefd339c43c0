package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"strings"
)

// Faults of the scheme's own headers.

// repeatedHeaders supposes that headers arrived twice, as two lines or joined by
// a proxy, and that the first or the last of each is the sender's.
func (i *inquiry) repeatedHeaders(yield func(variant) bool) {
	first, last := headerSet{}, headerSet{}
	var name string
	for _, n := range i.sample.names {
		values := i.headerParts(n)
		if len(values) > 1 {
			name = n
			first.Set(n, values[0])
			last.Set(n, values[len(values)-1])
		}
	}
	if name == "" {
		return
	}
	for which, changed := range []headerSet{first, last} {
		kept := []string{"first", "last"}[which]
		if !yield(variant{request: i.request.withHeaders(changed), finding: found(CauseHeaderRepeated,
			"The header %s has more than one value, on two lines or joined by a comma; with the %s one alone the request verifies.", name, kept)}) {
			return
		}
	}
}

// headerParts are the values of a header, or those that a comma joined in one.
func (i *inquiry) headerParts(name string) []string {
	values := i.request.Header.Values(name)
	if len(values) != 1 || len(values[0]) > 2*maxHeader {
		return values
	}
	value := values[0]
	// A value may have commas of its own: an exact repetition is the safer sign.
	for _, separator := range []string{", ", ","} {
		half := (len(value) - len(separator)) / 2
		if half > 0 && value == value[:half]+separator+value[:half] {
			return []string{value[:half], value[:half]}
		}
	}
	return strings.Split(value, ", ")
}

// paddedHeaders supposes spaces or quotes around values.
func (i *inquiry) paddedHeaders(yield func(variant) bool) {
	changed := headerSet{}
	var name string
	for _, n := range i.sample.names {
		if values := i.request.Header.Values(n); len(values) == 1 {
			if trimmed := strings.Trim(values[0], " \t\r\n\"'"); trimmed != values[0] {
				name = n
				changed.Set(n, trimmed)
			}
		}
	}
	if name != "" {
		yield(variant{request: i.request.withHeaders(changed), finding: found(CauseHeaderMalformed,
			"There are spaces or quotes around the value of the header %s; without them the request verifies.", name)})
	}
}

// otherSpellings supposes that the signature is right and written otherwise.
func (i *inquiry) otherSpellings(yield func(variant) bool) {
	for _, name := range i.scheme.headers {
		expected, ok := i.sample.expected(name)
		values := i.request.Header.Values(name)
		if !ok || len(values) != 1 || len(values[0]) > maxHeader {
			continue
		}
		runs := signatureRuns(values[0])
		if len(runs) == 0 {
			continue
		}
		spelled, was := respelled(values[0], runs, expected.encoding)
		prefixed := expected.prefix + runs[0].of(values[0])
		both, _ := respelled(prefixed, signatureRuns(prefixed), expected.encoding)
		try := func(value string, f func(Match) Finding) bool {
			return value == values[0] || yield(variant{request: i.request.withHeaders(headerSet{name: {value}}), finding: f})
		}
		encoded := found(CauseSignatureEncoding, "The signature in %s is %s where the scheme has %s.", name, was, expected.encoding)
		if !try(spelled, encoded) || !try(prefixed, i.otherPrefix(name, expected)) || !try(both, encoded) {
			return
		}
	}
}

func (i *inquiry) otherPrefix(name string, expected writtenSample) func(Match) Finding {
	if expected.prefix == "" {
		return found(CauseSignaturePrefix, "Something stands before the signature in %s, where the scheme has the signature alone.", name)
	}
	return found(CauseSignaturePrefix, "The value of %s does not begin with %s before the signature, as the scheme has it.", name, expected.prefix)
}

// respelled writes each signature in another encoding, and says how the last one
// that changed was written.
func respelled(value string, runs []run, e encoding) (string, spelling) {
	var out strings.Builder
	var was spelling
	end := 0
	for _, r := range runs {
		out.WriteString(value[end:r.start])
		text := r.of(value)
		sum, spelled := decodeRun(text)
		if encoded := e.encode(sum); sum != nil && encoded != text {
			text, was = encoded, spelled
		}
		out.WriteString(text)
		end = r.end
	}
	out.WriteString(value[end:])
	return out.String(), was
}

// otherHashes supposes that the sender uses another hash, which shows in the
// signature's length. The scheme reads the message beside a signature of the
// length it expects, and the message is then tried with the other hash.
func (i *inquiry) otherHashes(yield func(variant) bool) {
	if !i.sample.shared {
		return
	}
	for _, name := range append([]string{""}, i.scheme.headers...) {
		target, source := name, name
		if name == "" { // the older header of GitHub and its kin, in place of ours
			if len(i.scheme.headers) == 0 || i.scheme.present(i.request.Header) {
				continue
			}
			target, source = i.scheme.headers[0], "X-Hub-Signature"
		}
		if !i.otherHash(target, source, yield) {
			return
		}
	}
}

func (i *inquiry) otherHash(target, source string, yield func(variant) bool) bool {
	expected, ok := i.sample.expected(target)
	values := i.request.Header.Values(source)
	if !ok || len(values) != 1 || len(values[0]) > maxHeader {
		return true
	}
	runs := signatureRuns(values[0])
	if len(runs) == 0 {
		return true
	}
	sum, _ := decodeRun(runs[0].of(values[0]))
	newHash, title := hashOfSize(len(sum))
	if newHash == nil || len(sum) == expected.size {
		return true
	}
	blank := expected.encoding.encode(make([]byte, expected.size))
	for _, value := range []string{expected.prefix + blank, values[0][:runs[0].start] + blank + values[0][runs[0].end:]} {
		v := i.rekeyed(func(c *claim) { c.signatures = append(c.signatures[:0], sum) }, i.rawKeys(newHash))
		if !yield(variant{
			request: i.request.withHeaders(headerSet{target: {value}}), verifier: v,
			finding: found(CauseSignatureHash, "The signature in %s is made with %s, where the scheme has another hash.", source, title),
		}) {
			return false
		}
	}
	return true
}

// rekeyed is a verifier of the scheme with other keys, whose claims are changed
// after they were read.
func (i *inquiry) rekeyed(change func(*claim), keys []verifyingKey) *Verifier {
	s := i.scheme
	s.read = func(r Request, c *claim) error {
		err := i.scheme.read(r, c)
		if err == nil {
			change(c)
		}
		return err
	}
	v := newVerifier(s, options{tolerance: i.verifier.tolerance})
	for n, key := range keys {
		v.keys = append(v.keys, indexedKey{key, n})
	}
	return v
}

// rawKeys are the secrets' bytes, decoded where they say they are encoded.
func (i *inquiry) rawKeys(newHash func() hash.Hash) []verifyingKey {
	var keys []verifyingKey
	for _, secret := range i.secrets {
		keys = append(keys, newHMACKey(newHash, []byte(secret)))
		if encoded, found := strings.CutPrefix(secret, secretPrefix); found {
			decoded, _ := decodeAnyBase64(encoded)
			keys = append(keys, newHMACKey(newHash, decoded))
		}
	}
	return keys
}

func hashOfSize(size int) (newHash func() hash.Hash, title string) {
	switch size {
	case sha1.Size:
		return sha1.New, "SHA-1"
	case sha256.Size:
		return sha256.New, "SHA-256"
	case sha512.Size384:
		return sha512.New384, "SHA-384"
	case sha512.Size:
		return sha512.New, "SHA-512"
	}
	return nil, ""
}

// headerSigns say what the scheme could not read. The text of such an error
// names headers and lengths, and never what stands in them.
func (i *inquiry) headerSigns(err error) []Finding {
	for _, name := range i.sample.names {
		values := i.headerParts(name)
		if len(values) > 1 && (len(i.request.Header.Values(name)) > 1 || values[0] == values[1]) {
			return []Finding{finding(CauseHeaderRepeated, "The header %s has %d values, on lines of their own or joined by commas.", name, len(values))}
		}
	}
	if errors.Is(err, ErrMalformed) {
		return []Finding{finding(CauseHeaderMalformed, "The request is not in the format of %s: %s.", i.scheme.name, reason(err))}
	}
	return nil
}

// reason is the text of an error without the sentinel that it begins with.
func reason(err error) string {
	text := err.Error()
	for _, sentinel := range []error{ErrMissing, ErrMalformed, ErrMismatch, ErrInvalidSecret} {
		text = strings.TrimPrefix(text, sentinel.Error()+": ")
	}
	return text
}

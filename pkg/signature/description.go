package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Reading descriptions: see described.go for what they mean.

// parseDescription returns errors for people, without a sentinel.
func parseDescription(text string) (d description, err error) {
	algorithm, list, _ := strings.Cut(text, ":")
	if d.hash, err = describedHash(algorithm); err != nil {
		return d, err
	}
	given, err := parseOptions(list)
	if err != nil {
		return d, err
	}
	if given["header"] == "" {
		return d, errors.New("header is required: it names the header with the signature")
	}
	for option, name := range map[string]*string{"header": &d.header, "id": &d.id, "type": &d.event, "timestamp": &d.timestamp} {
		*name = given[option]
	}
	if err := d.checkHeaders(); err != nil {
		return d, err
	}
	if d.encoding, err = parseEncoding(given["encoding"]); err != nil {
		return d, err
	}
	if d.prefix, err = parseText("prefix", given["prefix"]); err != nil {
		return d, err
	}
	d.template, err = d.parseTemplate(given["signed"])
	return d, err
}

// describedHash knows the algorithms by the names they have in descriptions.
func describedHash(algorithm string) (func() hash.Hash, error) {
	switch algorithm {
	case "hmac-sha1":
		return sha1.New, nil
	case "hmac-sha256":
		return sha256.New, nil
	case "hmac-sha384":
		return sha512.New384, nil
	case "hmac-sha512":
		return sha512.New, nil
	}
	return nil, errors.New("the algorithm is none of hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512")
}

// parseOptions reads name=value, separated by commas, each name once.
func parseOptions(list string) (map[string]string, error) {
	known := []string{"header", "encoding", "prefix", "id", "type", "timestamp", "signed"}
	given := map[string]string{}
	for option := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%q is none of the options %s", name, strings.Join(known, ", "))
		case value == "":
			return nil, fmt.Errorf("%s is empty", name)
		case given[name] != "":
			return nil, fmt.Errorf("%s is given twice", name)
		}
		given[name] = value
	}
	return given, nil
}

// checkHeaders brings the names to the form of net/http. Two parts in one header
// would be one part that counts twice.
func (d *description) checkHeaders() error {
	var seen []string
	for _, part := range []struct {
		option string
		name   *string
	}{{"header", &d.header}, {"id", &d.id}, {"type", &d.event}, {"timestamp", &d.timestamp}} {
		if *part.name == "" {
			continue
		}
		if !isHeaderName(*part.name) {
			return fmt.Errorf("%s is not the name of a header: 1 to %d letters, digits and hyphens or the like", part.option, maxToken)
		}
		*part.name = canonicalHeader(*part.name)
		if slices.Contains(seen, *part.name) {
			return fmt.Errorf("%s names the header %s, which is another part already", part.option, *part.name)
		}
		seen = append(seen, *part.name)
	}
	return nil
}

// isHeaderName takes a token of RFC 9110, section 5.6.2.
func isHeaderName(name string) bool {
	for i := range len(name) {
		if !isLetterOrDigit(name[i]) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(name[i])) {
			return false
		}
	}
	return name != "" && len(name) <= maxToken
}

func isLetterOrDigit(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// canonicalHeader spells a header's name as net/http does: a capital letter first
// and after each hyphen, small ones elsewhere.
func canonicalHeader(name string) string {
	spelled := []byte(strings.ToLower(name))
	for i, b := range spelled {
		if (i == 0 || spelled[i-1] == '-') && b >= 'a' && b <= 'z' {
			spelled[i] = b - 'a' + 'A'
		}
	}
	return string(spelled)
}

func parseEncoding(name string) (encoding, error) {
	switch name {
	case "", "hex":
		return hexadecimal, nil
	case "base64":
		return base64ed, nil
	}
	return 0, errors.New("encoding is neither hex nor base64")
}

// parseText checks text that has to be found in a request. Space at its ends is
// refused: headers lose it on the way.
func parseText(option, text string) (string, error) {
	if len(text) > maxToken || strings.TrimSpace(text) != text || !isPrintable(text) {
		return "", fmt.Errorf("%s is not 1 to %d printable characters without space around them", option, maxToken)
	}
	return text, nil
}

package signature

import (
	"errors"
	"fmt"
	"strings"
)

// template is what a described scheme signs: the body, with other parts and fixed
// text before and after it.
type template struct {
	parts []templatePart
	// idEnd is the character that ends the id on the side of the body, and so may
	// not be in it. Zero: the id is not signed.
	idEnd byte
}

type templatePart struct {
	name string // of a placeholder, with its braces, or empty
	text []byte // fixed text
}

const (
	bodyPlaceholder = "{body}"
	idPlaceholder   = "{id}"
	timePlaceholder = "{timestamp}"
)

// parseTemplate reads the option signed. What it accepts can be divided in one
// way only: times have a fixed length, and the id ends at a fixed character, so
// that from either end on everything up to the body is determined.
func (d *description) parseTemplate(text string) (t template, err error) {
	if text == "" {
		text = bodyPlaceholder
	}
	if !isPrintable(text) {
		return t, errors.New("signed has characters that are not printable")
	}
	if t.parts, err = splitTemplate(text); err != nil {
		return t, err
	}
	if t.index(bodyPlaceholder) < 0 {
		return t, errors.New("signed is without {body}")
	}
	if signs := t.index(timePlaceholder) >= 0; signs != (d.timestamp != "") {
		return t, errors.New("timestamp and {timestamp} in signed belong together")
	}
	if t.index(idPlaceholder) < 0 {
		return t, nil
	}
	if d.id == "" {
		return t, errors.New("signed has {id}, and id names no header")
	}
	t.idEnd, err = t.findIDEnd()
	return t, err
}

// splitTemplate takes each placeholder once, and braces nowhere else.
func splitTemplate(text string) (parts []templatePart, err error) {
	for text != "" {
		part := templatePart{}
		switch open := strings.IndexAny(text, "{}"); {
		case open < 0:
			part.text, text = []byte(text), ""
		case open > 0:
			part.text, text = []byte(text[:open]), text[open:]
		default:
			if part.name = placeholderOf(text); part.name == "" {
				return nil, errors.New("signed has a brace that belongs to none of {body}, {timestamp}, {id}")
			}
			if (template{parts: parts}).index(part.name) >= 0 {
				return nil, fmt.Errorf("signed has %s twice", part.name)
			}
			text = text[len(part.name):]
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// placeholderOf returns the placeholder that text begins with, or nothing.
func placeholderOf(text string) string {
	for _, name := range []string{bodyPlaceholder, idPlaceholder, timePlaceholder} {
		if strings.HasPrefix(text, name) {
			return name
		}
	}
	return ""
}

// index returns where a placeholder stands, or -1.
func (t template) index(name string) int {
	for i, part := range t.parts {
		if part.name == name {
			return i
		}
	}
	return -1
}

// findIDEnd returns the character beside the id towards the body.
func (t template) findIDEnd() (byte, error) {
	id := t.index(idPlaceholder)
	if id < t.index(bodyPlaceholder) {
		if next := t.parts[id+1].text; len(next) > 0 {
			return next[0], nil
		}
	} else if before := t.parts[id-1].text; len(before) > 0 {
		return before[len(before)-1], nil
	}
	return 0, errors.New("signed needs text between {id} and what stands next to it on the side of {body}, to tell where the id ends")
}

// allows reports whether an id can be told from what stands beside it.
func (t template) allows(id string) bool {
	return t.idEnd == 0 || id != "" && strings.IndexByte(id, t.idEnd) < 0
}

func (t template) signsID() bool { return t.idEnd != 0 }

// append appends the message in pieces.
func (t template) append(message [][]byte, id, seconds, body []byte) [][]byte {
	for _, part := range t.parts {
		switch part.name {
		case idPlaceholder:
			message = append(message, id)
		case timePlaceholder:
			message = append(message, seconds)
		case bodyPlaceholder:
			message = append(message, body)
		default:
			message = append(message, part.text)
		}
	}
	return message
}

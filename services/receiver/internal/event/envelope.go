package event

// Envelope is the outermost object of a document, as far as an event says there what it is. The zero Envelope is that
// of a document that says nothing.
type Envelope struct {
	kinds  [3][]byte // the JSON of the members named in kindOf, or nil
	id     []byte    // that of idName
	idName string
}

// Open reads a document once, from one end to the other: ok says that it is one JSON object or array, exactly as
// encoding/json has it. idName is the member whose text ID returns; empty: none. The Envelope is good for as long as
// the document's bytes are.
func Open(document []byte, idName string) (e Envelope, ok bool) {
	e.idName = idName
	s := scanner{text: document}
	switch s.next() {
	case '{':
		ok = s.object(&e)
	case '[':
		ok = s.array()
	}
	if !ok || s.next() != 0 || s.at != len(document) {
		return Envelope{}, false
	}
	return e, true
}

// Type is the type an event states: its "type", else "event_type", else "event", where that is a string that is not
// empty; otherwise Unknown. It may be a part of the document.
func (e *Envelope) Type() []byte {
	for _, value := range e.kinds {
		if s, ok := textBytes(value); ok && len(s) > 0 {
			return s
		}
	}
	return []byte(Unknown)
}

// ID is the member of the name that Open was given where that is a string, or "".
func (e *Envelope) ID() string {
	s, _ := text(e.id)
	return s
}

// note remembers a member of the outermost object; of several with one name, the last, as encoding/json has it.
func (e *Envelope) note(key []byte, escaped bool, value []byte) {
	name := key[1 : len(key)-1]
	if escaped {
		name, _ = textBytes(key)
	}
	if kind := kindOf(name); kind >= 0 {
		e.kinds[kind] = value
	}
	if e.idName != "" && string(name) == e.idName {
		e.id = value
	}
}

// kindOf ranks the members that state a type; -1 for every other.
func kindOf(name []byte) int {
	switch string(name) {
	case "type":
		return 0
	case "event_type":
		return 1
	case "event":
		return 2
	}
	return -1
}

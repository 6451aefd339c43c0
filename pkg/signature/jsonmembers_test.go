package signature_test

import (
	"encoding/json"
	"strings"
)

// membersOf lists the names of a JSON object's members, as often as they stand
// there, with the decoder's reading of their escapes.
func membersOf(object string) (names []string) {
	decoder := json.NewDecoder(strings.NewReader(object))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil
		}
		names = append(names, name.(string))
	}
	return names
}

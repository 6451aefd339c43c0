package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxDepth is how deeply an entry may be nested.
const maxDepth = 1000

// jsonWriter writes YAML as JSON: keys in their order, and numbers with the digits they are written with.
type jsonWriter struct {
	out     []byte
	anchors map[string]json.RawMessage
}

func (w *jsonWriter) write(node ast.Node, depth int) error {
	if depth > maxDepth || len(w.out) > MaxEntry {
		return errors.New("the entry is nested too deeply, or its aliases make it too long")
	}
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return w.raw("null")
	case *ast.StringNode:
		if plain := n.GetToken().Value; n.GetToken().Type == token.StringType && isNumber(plain) {
			return w.raw(plain) // such as 1e3, which the library follows an older YAML in
		}
		return w.text(n.Value)
	case *ast.LiteralNode:
		return w.text(n.Value.Value)
	case *ast.BoolNode:
		return w.raw(strconv.FormatBool(n.Value))
	case *ast.IntegerNode:
		return w.number(n.GetToken().Value, n.Value)
	case *ast.FloatNode:
		return w.number(n.GetToken().Value, n.Value)
	case *ast.MappingNode:
		return w.object(n.Values, depth)
	case *ast.MappingValueNode:
		return w.object([]*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return w.array(n.Values, depth)
	case *ast.TagNode:
		return w.tagged(n, depth)
	case *ast.AnchorNode:
		begin := len(w.out)
		if err := w.write(n.Value, depth+1); err != nil {
			return err
		}
		w.anchors[n.Name.GetToken().Value] = append(json.RawMessage(nil), w.out[begin:]...)
		return nil
	case *ast.AliasNode:
		value, ok := w.anchors[n.Value.GetToken().Value]
		if !ok {
			return errors.New("an alias must have its anchor before it in the same entry")
		}
		return w.raw(string(value))
	default:
		return fmt.Errorf("JSON has no %s", node.Type())
	}
}

func (w *jsonWriter) raw(text string) error {
	w.out = append(w.out, text...)
	return nil
}

func (w *jsonWriter) text(s string) error {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return err
	}
	return w.raw(strings.TrimSuffix(quoted.String(), "\n"))
}

func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && json.Valid([]byte(text))
}

// number keeps the text where it is a number in JSON too, and else writes the value (of 0x1F, 1_000 and such).
func (w *jsonWriter) number(text string, value any) error {
	if json.Valid([]byte(text)) {
		return w.raw(text)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return errors.New("JSON has no such number")
	}
	return w.raw(string(encoded))
}

func (w *jsonWriter) object(members []*ast.MappingValueNode, depth int) error {
	w.out = append(w.out, '{')
	for i, member := range members {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if _, merge := member.Key.(*ast.MergeKeyNode); merge {
			return errors.New("the key << is not supported")
		}
		key := member.Key.GetToken().Value
		if err := w.text(key); err != nil {
			return err
		}
		w.out = append(w.out, ':')
		if err := w.write(member.Value, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *jsonWriter) array(items []ast.Node, depth int) error {
	w.out = append(w.out, '[')
	for i, item := range items {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.write(item, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

// tagged knows the one tag that changes what a plain word means; any other must say what is so anyway.
func (w *jsonWriter) tagged(n *ast.TagNode, depth int) error {
	scalar, ok := n.Value.(ast.ScalarNode)
	if n.Start.Value == "!!str" && ok {
		return w.text(scalar.GetToken().Value)
	}
	return w.write(n.Value, depth+1)
}

package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
)

// maxPayload is the most that is sent, in bytes.
const maxPayload = 64 << 20

// payloadFlags are where the payload is that a command is given.
type payloadFlags struct {
	inline, file string
	given        func(flag string) bool
}

func (p *payloadFlags) add(c *cobra.Command, what string) {
	c.Flags().StringVar(&p.inline, "payload", "", what)
	c.Flags().StringVar(&p.file, "payload-file", "", "read it from this file; - is standard input")
	c.MarkFlagsMutuallyExclusive("payload", "payload-file")
	p.given = c.Flags().Changed
}

// read returns the payload and, for what is said about it, where it comes from; otherwise is what it is where neither
// flag is given. Errors are of usage.
func (p *payloadFlags) read(s Surroundings, otherwise string) (payload []byte, from string, err error) {
	switch {
	case !p.given("payload-file"):
		if !p.given("payload") {
			p.inline = otherwise
		}
		return []byte(p.inline), "--payload", nil
	case p.file == "-":
		payload, err = readAtMost(s.In, "standard input")
		return payload, "standard input", err
	}
	file, err := os.Open(p.file)
	if err != nil {
		return nil, "", service.UsageError{Err: fmt.Errorf("--payload-file: %w", err)}
	}
	payload, err = readAtMost(file, "--payload-file")
	return payload, "--payload-file " + p.file, errors.Join(err, file.Close())
}

func readAtMost(from io.Reader, name string) ([]byte, error) {
	payload, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	if err != nil {
		return nil, service.UsageError{Err: fmt.Errorf("%s: %w", name, err)}
	}
	if len(payload) > maxPayload {
		return nil, usage(fmt.Sprintf("%s is larger than %d bytes", name, maxPayload))
	}
	return payload, nil
}

// checkJSON tells where a text stops being JSON.
func checkJSON(text []byte) error {
	if json.Valid(text) {
		return nil
	}
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %w", 1+strings.Count(string(text[:min(int(syntax.Offset), len(text))]), "\n"), err)
	}
	return err
}

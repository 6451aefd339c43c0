package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/example"
)

func newExamples(s Surroundings) *cobra.Command {
	var url string
	var force bool
	c := &cobra.Command{
		Use:   "examples [DIR]",
		Short: "Write example payloads and batches to begin with",
		Long: `Write example payloads and batch files into DIR (examples), and print the commands that send them. They are what the
demo's receiver understands. Nothing is overwritten without --force.`,
		Example: `  producer examples
  docker compose exec -T producer /signet examples --url http://receiver:8000/webhook`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return examples(s, append(args, "examples")[0], url, force)
		},
	}
	c.Flags().StringVar(&url, "url", example.DefaultURL, "where the examples are to be sent")
	c.Flags().BoolVar(&force, "force", false, "overwrite files that exist")
	return c
}

func examples(s Surroundings, dir, url string, force bool) error {
	if err := checkURL(url, "--url"); err != nil {
		return err
	}
	paths, err := example.Write(dir, url, force)
	if errors.Is(err, example.ErrExists) {
		return service.UsageError{Err: fmt.Errorf("%w\nnothing was written; --force overwrites", err)}
	}
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, path := range paths {
		line := fmt.Sprintf("producer send %s --payload-file %s", quote(url), quote(path))
		switch {
		case example.IsBatch(path):
			line = "producer batch " + quote(path)
		case filepath.Base(path) == "order-data.json":
			line += " --type order.completed"
		}
		_, _ = fmt.Fprintln(&text, line)
	}
	_, err = fmt.Fprintf(s.Out, "# %d files in %s; with the receiver's secret in WEBHOOK_SECRET:\n%s", len(paths), dir, &text)
	return err
}

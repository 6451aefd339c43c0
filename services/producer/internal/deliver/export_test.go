package deliver

import (
	"context"

	"example.com/signet/pkg/relay"
)

// Run makes one attempt, as the engine has it made.
func Run(ctx context.Context, d *Deliverer, job relay.Job) relay.Outcome { return d.run(ctx, job) }

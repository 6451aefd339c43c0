package adminapi

import (
	"cmp"
	"context"
	"time"

	"example.com/signet/pkg/relay"
)

// maxBulk is how many deliveries one call is about at most: a reply has its time.
const maxBulk = 10_000

// BulkQuery selects deliveries to change, and says how that goes on. It is exported for huma to see it embedded.
type BulkQuery struct {
	Message string `json:"message,omitempty" doc:"A message's id"`
	Target  string `json:"target,omitempty" doc:"A target's id, such as handler:log"`
	// Endpoint is what the producer calls the same filter.
	Endpoint string    `json:"endpoint,omitempty" doc:"The same as target"`
	Type     string    `json:"type,omitempty"`
	State    string    `json:"state,omitempty" enum:"pending,delivered,failed,paused,cancelled" doc:"When left out: failed to retry, delivered to replay, pending and paused to cancel"`
	Since    time.Time `json:"since,omitempty" doc:"Made at or after this time, RFC 3339"`
	Until    time.Time `json:"until,omitempty" doc:"Made before this time, RFC 3339"`

	DryRun bool   `json:"dry_run,omitempty" doc:"Only count"`
	Rate   int    `json:"rate,omitempty" minimum:"0" maximum:"1000000" doc:"How many become due in a second, the oldest first; 0: all at once"`
	Limit  int    `json:"limit,omitempty" minimum:"0" maximum:"10000" doc:"How many this call is about at most; 0: 10000"`
	Cursor string `json:"cursor,omitempty" doc:"The call before's next, to go on where it ended and at its pace"`
}

// replayQuery is for replays, which make new deliveries.
type replayQuery struct {
	BulkQuery
	Operation string `json:"operation,omitempty" doc:"The answer before's operation, when a call is repeated: within one operation nothing is replayed twice"`
}

type bulkResult struct {
	Matched   int64  `json:"matched" doc:"How many the filter selected"`
	Changed   int64  `json:"changed" doc:"How many of them were changed; 0 in a dry run"`
	Next      string `json:"next" doc:"The cursor to go on with; empty: all is done"`
	Operation string `json:"operation,omitempty" doc:"Of a replay"`
}

func (q BulkQuery) bulk() relay.Bulk {
	return relay.Bulk{
		Filter: relay.DeliveryFilter{
			MessageID: q.Message, TargetID: cmp.Or(q.Target, q.Endpoint), Type: q.Type, State: relay.State(q.State), Since: q.Since, Until: q.Until,
		},
		DryRun: q.DryRun, Rate: q.Rate, Limit: cmp.Or(q.Limit, maxBulk), Cursor: q.Cursor,
	}
}

func (a *API) retryDeliveries(ctx context.Context, in *answer[BulkQuery]) (*answer[bulkResult], error) {
	return finished(a.store.RetryAll(ctx, in.Body.bulk()))
}

func (a *API) cancelDeliveries(ctx context.Context, in *answer[BulkQuery]) (*answer[bulkResult], error) {
	return finished(a.store.CancelAll(ctx, in.Body.bulk()))
}

func (a *API) replayDeliveries(ctx context.Context, in *answer[replayQuery]) (*answer[bulkResult], error) {
	bulk := in.Body.bulk()
	bulk.Operation = in.Body.Operation
	return finished(a.store.ReplayAll(ctx, bulk))
}

// finished words the answer. One that was interrupted when something was done already says how far it came.
func finished(result relay.BulkResult, err error) (*answer[bulkResult], error) {
	if result.Changed > 0 {
		err = nil
	}
	return reply(bulkResult{Matched: result.Matched, Changed: result.Changed, Next: result.Next, Operation: result.Operation}, err)
}

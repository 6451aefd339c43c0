package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/signet/pkg/relay"
)

// maxBulk is how many deliveries one call is about at most: a reply has its time.
const maxBulk = 10_000

// Pace is how a change to many deliveries goes on. It is exported, and BulkQuery too, for huma to see what is embedded.
type Pace struct {
	DryRun bool   `json:"dry_run,omitempty" doc:"Only count"`
	Rate   int    `json:"rate,omitempty" minimum:"0" maximum:"1000000" doc:"How many become due in a second, the oldest first; 0: all at once"`
	Limit  int    `json:"limit,omitempty" minimum:"0" maximum:"10000" doc:"How many this call is about at most; 0: 10000"`
	Cursor string `json:"cursor,omitempty" doc:"The call before's next, to go on where it ended and at its pace"`
}

func (p Pace) bulk(filter relay.DeliveryFilter) relay.Bulk {
	return relay.Bulk{Filter: filter, DryRun: p.DryRun, Rate: p.Rate, Limit: cmp.Or(p.Limit, maxBulk), Cursor: p.Cursor}
}

// BulkQuery selects deliveries to change.
type BulkQuery struct {
	Pace
	Message  string    `json:"message,omitempty" doc:"A message's id"`
	Endpoint string    `json:"endpoint,omitempty" doc:"An endpoint's id"`
	Type     string    `json:"type,omitempty" doc:"An event type, whole"`
	State    string    `json:"state,omitempty" enum:"pending,delivered,failed,paused,cancelled" doc:"When left out: failed to retry, delivered to replay, pending and paused to cancel"`
	Since    time.Time `json:"since,omitempty" doc:"Made at or after this time, RFC 3339"`
	Until    time.Time `json:"until,omitempty" doc:"Made before this time, RFC 3339"`
}

func (q BulkQuery) bulk() relay.Bulk {
	return q.Pace.bulk(relay.DeliveryFilter{
		MessageID: q.Message, TargetID: q.Endpoint, Type: q.Type, State: relay.State(q.State), Since: q.Since, Until: q.Until,
	})
}

// replayQuery is for replays, which make new deliveries.
type replayQuery struct {
	BulkQuery
	Operation string `json:"operation,omitempty" doc:"The answer before's operation, when a call is repeated: within one operation nothing is replayed twice"`
}

// recovery is what an endpoint missed.
type recovery struct {
	Pace
	Since time.Time `json:"since" doc:"Made at or after this time, RFC 3339"`
	Until time.Time `json:"until,omitempty" doc:"Made before this time, RFC 3339"`
}

// recoveryOf names the endpoint.
type recoveryOf struct {
	ID   string `path:"id" maxLength:"256"`
	Body recovery
}

// bulkResult says what was done.
type bulkResult struct {
	Matched   int64  `json:"matched" doc:"How many the filter selected"`
	Changed   int64  `json:"changed" doc:"How many of them were changed; 0 in a dry run"`
	Next      string `json:"next" doc:"The cursor to go on with; empty: all is done"`
	Operation string `json:"operation,omitempty" doc:"Of a replay"`
}

// finished words the answer. One that was interrupted when something was done already says how far it came.
func finished(result relay.BulkResult, err error) (*body[bulkResult], error) {
	if err != nil && result.Changed == 0 {
		return nil, problem(err)
	}
	return reply(bulkResult{Matched: result.Matched, Changed: result.Changed, Next: result.Next, Operation: result.Operation}), nil
}

func registerBulk(to huma.API, rooms Rooms) {
	engine := rooms.Engine
	huma.Register(to, operation(deliveriesTag, http.MethodPost, deliveriesPath+"/retry", "Retry deliveries", http.StatusOK),
		func(ctx context.Context, in *body[BulkQuery]) (*body[bulkResult], error) {
			return finished(engine.RetryAll(ctx, in.Body.bulk()))
		})
	huma.Register(to, operation(deliveriesTag, http.MethodPost, deliveriesPath+"/cancel", "Cancel deliveries", http.StatusOK),
		func(ctx context.Context, in *body[BulkQuery]) (*body[bulkResult], error) {
			return finished(engine.CancelAll(ctx, in.Body.bulk()))
		})
	huma.Register(to, operation(deliveriesTag, http.MethodPost, deliveriesPath+"/replay", "Replay deliveries", http.StatusOK),
		func(ctx context.Context, in *body[replayQuery]) (*body[bulkResult], error) {
			bulk := in.Body.bulk()
			bulk.Operation = in.Body.Operation
			return finished(engine.ReplayAll(ctx, bulk))
		})
	huma.Register(to, operation(endpointsTag, http.MethodPost, endpointsPath+"/{id}/recover", "Recover an endpoint", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *recoveryOf) (*body[bulkResult], error) {
			found, err := rooms.Endpoints.Get(ctx, strings.Clone(in.ID))
			if err != nil {
				return nil, problem(err)
			}
			return finished(engine.RetryAll(ctx, in.Body.bulk(relay.DeliveryFilter{
				TargetID: found.ID, State: relay.Failed, Since: in.Body.Since, Until: in.Body.Until,
			})))
		})
}

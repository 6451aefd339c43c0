package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/signet/deploy/bench/internal/bare"
	"example.com/signet/deploy/bench/internal/load"
)

// barePost is how many signed webhooks a second a loop around net/http sends to the sink.
func (b *bench) barePost(ctx context.Context) (float64, error) {
	sink, err := b.startRole(ctx, "sink")
	if err != nil {
		return 0, err
	}
	defer sink.Kill()
	took, err := bare.Post(ctx, "http://"+sink.addr+"/", secret, b.workers, int(b.events), b.seed)
	return float64(b.events) / took.Seconds(), err
}

// rig is a producer with one endpoint, the sink.
type rig struct {
	sink, producer *service
	endpoint       string
}

func (b *bench) newRig(ctx context.Context, database string) (*rig, error) {
	sink, err := b.startRole(ctx, "sink")
	if err != nil {
		return nil, err
	}
	producer, err := b.startProducer(ctx, database, sink.addr)
	if err != nil {
		return nil, err
	}
	r := &rig{sink: sink, producer: producer}
	r.endpoint, err = r.subscribe(ctx, "http://"+sink.addr+"/", b.workers)
	return r, err
}

func (r *rig) subscribe(ctx context.Context, url string, concurrency int) (string, error) {
	var made struct{ ID string }
	err := call(ctx, http.MethodPost, "http://"+r.producer.addr+"/api/v1/endpoints",
		map[string]any{"url": url, "secret": secret, "concurrency": concurrency}, &made)
	return made.ID, err
}

func (r *rig) switched(ctx context.Context, how string) error {
	return call(ctx, http.MethodPost, "http://"+r.producer.addr+"/api/v1/endpoints/"+r.endpoint+"/"+how, nil, nil)
}

// fill publishes n events in batches, of orders that follow each other.
func (b *bench) fill(ctx context.Context, producer *service, n int64) error {
	return b.fillWith(ctx, producer, n, func(id int) string { return fmt.Sprintf("f%015x", id) })
}

// fillWith publishes n events in batches. number names the orders, from 1 on, in 16 characters.
func (b *bench) fillWith(ctx context.Context, producer *service, n int64, number func(id int) string) error {
	body, at := load.Body(b.seed)
	var id int
	for left := n; left > 0; {
		size := min(left, 1000)
		left -= size
		batch := make([]map[string]any, size)
		for i := range batch {
			id++
			batch[i] = map[string]any{"type": "order.completed", "data": map[string]any{
				"order_id": number(id), "amount_minor": 4999, "currency": "EUR", "note": string(body[at+60:])[:400],
			}}
		}
		if err := call(ctx, http.MethodPost, "http://"+producer.addr+"/api/v1/events/batch", map[string]any{"events": batch}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) close() error {
	r.sink.Kill()
	return r.producer.stop()
}

// drain compares working off a backlog with the bare loop.
func (b *bench) drain(ctx context.Context, _ int, database string) error {
	bareRate, err := b.barePost(ctx)
	if err != nil {
		return err
	}
	r, err := b.newRig(ctx, database)
	if err != nil {
		return err
	}
	if err := r.switched(ctx, "disable"); err != nil {
		return err
	}
	if err := b.fill(ctx, r.producer, b.backlog); err != nil {
		return err
	}
	rate, cpu, err := b.drained(ctx, r, b.backlog, b.backlog)
	if err != nil {
		return err
	}
	suffix := engineOf(database)
	b.report.Ratio("drain "+suffix, rate, bareRate, "deliveries/s")
	b.report.Value("CPU of the producer per 10,000 deliveries (drain) "+suffix, cpu.Seconds()*10_000/float64(b.backlog), "s")
	return r.close()
}

// drained enables the endpoint and waits until n deliveries more, and so all of them, are delivered: how many a second,
// and for how much of the producer's CPU.
func (b *bench) drained(ctx context.Context, r *rig, n, all int64) (rate float64, cpu time.Duration, err error) {
	before, err := r.producer.CPU()
	if err != nil {
		return 0, 0, err
	}
	b.profile(ctx, r.producer, 0)
	began := time.Now()
	if err := r.switched(ctx, "enable"); err != nil {
		return 0, 0, err
	}
	ended, err := r.producer.awaitDelivered(ctx, r.producer.addr, all)
	if err != nil {
		return 0, 0, err
	}
	after, err := r.producer.CPU()
	return float64(n) / ended.Sub(began).Seconds(), after - before, err
}

// publish compares publish → delivered → recorded with the bare loop.
func (b *bench) publish(ctx context.Context, round int, database string) error {
	bareRate, err := b.barePost(ctx)
	if err != nil {
		return err
	}
	r, err := b.newRig(ctx, database)
	if err != nil {
		return err
	}
	before, err := r.producer.CPU()
	if err != nil {
		return err
	}
	b.profile(ctx, r.producer, 0)
	began := time.Now()
	result, err := load.Closed{
		Addr: r.producer.addr, Connections: b.workers, Total: b.events, Want: http.StatusAccepted,
		NewRequest: load.Events(apiToken, fmt.Sprintf("e%02x", round), b.seed),
	}.Run(ctx)
	if err == nil && result.Refused > 0 {
		err = fmt.Errorf("%d events were refused", result.Refused)
	}
	if err != nil {
		return err
	}
	ended, err := r.producer.awaitDelivered(ctx, r.producer.addr, b.events)
	if err != nil {
		return err
	}
	after, err := r.producer.CPU()
	if err != nil {
		return err
	}
	suffix := engineOf(database)
	b.report.Ratio("publish to recorded "+suffix, float64(b.events)/ended.Sub(began).Seconds(), bareRate, "events/s")
	b.report.Value("CPU of the producer per 10,000 events published and delivered "+suffix, (after-before).Seconds()*10_000/float64(b.events), "s")
	return r.close()
}

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/signature"
)

// Registry holds the endpoints. It is safe for concurrent use.
type Registry struct {
	store Store
	vault Vault
	hosts HostJudge
	now   func() time.Time

	refreshing sync.Mutex // a refresh that read earlier must not overwrite a later one
	current    atomic.Pointer[snapshot]
	changed    func()
}

// snapshot is the endpoints at one moment. It never changes.
type snapshot struct {
	changes  int64 // how often the endpoints had changed, at least
	byID     map[string]*Live
	byTenant map[string][]*Live
}

// NewRegistry reads the endpoints and makes a registry of them. now may be nil.
func NewRegistry(ctx context.Context, store Store, vault Vault, hosts HostJudge, now func() time.Time) (*Registry, error) {
	if now == nil {
		now = time.Now
	}
	r := &Registry{store: store, vault: vault, hosts: hosts, now: now, changed: func() {}}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// OnChange has f called whenever the endpoints in memory have changed. Set it before the registry is shared.
func (r *Registry) OnChange(f func()) { r.changed = f }

func (r *Registry) refresh(ctx context.Context) error {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	changes, err := readChanges(ctx, r.store) // before the rows, so that none of what it counts is missing
	if err != nil {
		return err
	}
	rows, err := readRows(ctx, r.store, selectRows)
	if err != nil {
		return err
	}
	next := &snapshot{changes: changes, byID: make(map[string]*Live, len(rows)), byTenant: map[string][]*Live{}}
	for _, row := range rows {
		live, err := r.live(row)
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", row.id, err)
		}
		next.byID[row.id] = live
		if !row.withdrawn {
			next.byTenant[row.tenant] = append(next.byTenant[row.tenant], live)
		}
	}
	r.current.Store(next)
	r.changed()
	return nil
}

// Refresh reads the endpoints again if another process has changed them. What is disabled or enabled is not kept here but
// by the engine.
func (r *Registry) Refresh(ctx context.Context) error {
	changes, err := readChanges(ctx, r.store)
	if err != nil || changes == r.current.Load().changes {
		return err
	}
	return r.refresh(ctx)
}

func (r *Registry) live(row row) (*Live, error) {
	secret, err := r.vault.Open(row.sealed, row.id)
	if err != nil {
		return nil, err
	}
	signer, err := signature.NewSigner(row.scheme, secret)
	if err != nil {
		return nil, err
	}
	return &Live{
		ID: row.id, Name: row.name, URL: row.url, Scheme: row.scheme, Signer: signer, Tenant: row.tenant, events: row.events,
	}, nil
}

// Live finds an endpoint by its id.
func (r *Registry) Live(id string) (Live, bool) {
	live, ok := r.current.Load().byID[id]
	if !ok {
		return Live{}, false
	}
	return *live, true
}

// Matching lists the ids of the endpoints that want an event: those of its tenant with a pattern that takes its
// type. Disabled ones are among them, as their deliveries are kept for later; those the configuration withdrew
// are not.
func (r *Registry) Matching(tenant, eventType string) []string {
	var ids []string
	for _, live := range r.current.Load().byTenant[tenant] {
		if live.wants(eventType) {
			ids = append(ids, live.ID)
		}
	}
	return ids
}

// Create makes an endpoint and answers its secret, which is not shown again. The error is an [*InvalidError], or
// the store's.
func (r *Registry) Create(ctx context.Context, spec Spec) (Endpoint, string, error) {
	if wrong := spec.Check(r.hosts); len(wrong) > 0 {
		return Endpoint{}, "", invalid(wrong)
	}
	spec = spec.complete()
	if spec.Secret == "" {
		secret, err := signature.NewSecret(spec.Scheme)
		if err != nil {
			return Endpoint{}, "", err
		}
		spec.Secret = secret
	}
	made := r.row(spec, false)
	err := r.store.AppendTx(ctx, func(ctx context.Context, tx *relay.OutboxTx) error {
		return errors.Join(made.insert(ctx, tx), tx.PutTarget(ctx, spec.target(made.id)))
	})
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("create endpoint: %w", err)
	}
	if err := r.refresh(ctx); err != nil {
		return Endpoint{}, "", err
	}
	target := spec.target(made.id)
	target.Enabled = true
	return made.shown(target), spec.Secret, nil
}

// invalid joins what is wrong so that errors.As finds each.
func invalid(wrong []*InvalidError) error {
	errs := make([]error, len(wrong))
	for i, w := range wrong {
		errs[i] = w
	}
	return errors.Join(errs...)
}

func (r *Registry) row(spec Spec, declared bool) row {
	now := r.now()
	id := relay.NewID("ep_", now)
	return row{
		id: id, name: spec.Name, declared: declared, url: spec.URL, events: spec.Events, scheme: spec.Scheme,
		tenant: spec.Tenant, sealed: r.vault.Seal(spec.Secret, id), createdAt: now.UTC().Truncate(time.Microsecond),
	}
}

func (r row) shown(target relay.Target) Endpoint {
	return Endpoint{
		ID: r.id, Name: r.name, Declared: r.declared, URL: r.url, Events: r.events, Scheme: r.scheme, Tenant: r.tenant,
		Concurrency: target.Concurrency, RateLimit: target.Rate, Enabled: target.Enabled, DisabledReason: target.DisabledReason, CreatedAt: r.createdAt,
	}
}

// List lists every endpoint, the oldest first.
func (r *Registry) List(ctx context.Context) ([]Endpoint, error) {
	rows, err := readRows(ctx, r.store, selectRows+` ORDER BY id`)
	if err != nil {
		return nil, err
	}
	targets, err := r.store.Targets(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]relay.Target, len(targets))
	for _, t := range targets {
		byID[t.ID] = t
	}
	list := make([]Endpoint, len(rows))
	for i, row := range rows {
		list[i] = row.shown(byID[row.id])
	}
	return list, nil
}

// Get reads one endpoint. ErrNotFound: there is none of that id.
func (r *Registry) Get(ctx context.Context, id string) (Endpoint, error) {
	rows, err := readRows(ctx, r.store, selectRow, id)
	if err != nil {
		return Endpoint{}, err
	}
	if len(rows) == 0 {
		return Endpoint{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	target, err := r.store.Target(ctx, id)
	if err != nil {
		return Endpoint{}, err
	}
	return rows[0].shown(target), nil
}

// SetEnabled enables or disables an endpoint; reason is for people. While it is disabled its deliveries are kept
// as paused. ErrNotFound: there is none of that id.
func (r *Registry) SetEnabled(ctx context.Context, id string, enabled bool, reason string) (Endpoint, error) {
	if _, known := r.Live(id); !known {
		return Endpoint{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err := r.store.SetTarget(ctx, id, enabled, reason); err != nil {
		return Endpoint{}, err
	}
	return r.Get(ctx, id)
}

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/signet/pkg/relay"
)

// withdrawnReason is why an endpoint is disabled that is not declared any more.
const withdrawnReason = "no longer declared in the configuration"

// declareTries is how often a declaration is begun anew because another process declares the same at the same time.
const declareTries = 5

// Declare brings the declared endpoints in line with the configuration, by name: new ones are made, changed
// ones changed in place, those that vanished disabled, and those that came back enabled. Whether any other is
// enabled stays as it is. Every spec has a name, no two the same, and a secret. Endpoints made through the API
// are left alone.
func (r *Registry) Declare(ctx context.Context, specs []Spec) error {
	for _, spec := range specs {
		if wrong := spec.Check(r.hosts); len(wrong) > 0 {
			return fmt.Errorf("endpoint %s: %w", spec.Name, invalid(wrong))
		}
	}
	err := errDeclaredMeanwhile
	for tries := 0; tries < declareTries && errors.Is(err, errDeclaredMeanwhile); tries++ {
		err = r.store.AppendTx(ctx, func(ctx context.Context, tx *relay.OutboxTx) error {
			return r.declare(ctx, tx, specs)
		})
	}
	if err != nil {
		return fmt.Errorf("declare endpoints: %w", err)
	}
	return r.refresh(ctx)
}

func (r *Registry) declare(ctx context.Context, tx *relay.OutboxTx, specs []Spec) error {
	rows, err := readRows(ctx, tx, selectRows)
	if err != nil {
		return err
	}
	vanished := map[string]row{}
	for _, row := range rows {
		if row.declared {
			vanished[row.name] = row
		}
	}
	for _, spec := range specs {
		spec = spec.complete()
		old, known := vanished[spec.Name]
		delete(vanished, spec.Name)
		if err := r.declareOne(ctx, tx, spec, old, known); err != nil {
			return fmt.Errorf("%s: %w", spec.Name, err)
		}
	}
	for _, gone := range vanished {
		if err := withdraw(ctx, tx, gone); err != nil {
			return fmt.Errorf("%s: %w", gone.name, err)
		}
	}
	return nil
}

func (r *Registry) declareOne(ctx context.Context, tx *relay.OutboxTx, spec Spec, old row, known bool) error {
	if !known {
		made := r.row(spec, true)
		if err := made.insert(ctx, tx); err != nil {
			return err
		}
		return tx.PutTarget(ctx, spec.target(made.id))
	}
	changed := old
	changed.withdrawn, changed.url, changed.events = false, spec.URL, spec.Events
	changed.scheme, changed.tenant = spec.Scheme, spec.Tenant
	if secret, err := r.vault.Open(old.sealed, old.id); err != nil || secret != spec.Secret {
		changed.sealed = r.vault.Seal(spec.Secret, old.id)
	}
	if !same(old, changed) {
		if err := changed.update(ctx, tx); err != nil {
			return err
		}
	}
	if err := tx.PutTarget(ctx, spec.target(old.id)); err != nil {
		return err
	}
	if old.withdrawn {
		return tx.SetTarget(ctx, old.id, true, "")
	}
	return nil
}

func same(a, b row) bool {
	return a.withdrawn == b.withdrawn && a.url == b.url && slices.Equal(a.events, b.events) &&
		a.scheme == b.scheme && a.tenant == b.tenant && slices.Equal(a.sealed, b.sealed)
}

func withdraw(ctx context.Context, tx *relay.OutboxTx, gone row) error {
	if gone.withdrawn {
		return nil
	}
	gone.withdrawn = true
	if err := gone.update(ctx, tx); err != nil {
		return err
	}
	return tx.SetTarget(ctx, gone.id, false, withdrawnReason)
}

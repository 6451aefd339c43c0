package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// newDatabase makes an empty database on the server of a PostgreSQL URL, and answers its URL. SQLite's are files,
// and made where they are needed.
func (b *bench) newDatabase(ctx context.Context, server string) (string, error) {
	if server == "" {
		return "", nil
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("-postgres is no URL")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer db.Close()
	b.databases++
	name := fmt.Sprintf("bench_%d_%d", b.started, b.databases)
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("create a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

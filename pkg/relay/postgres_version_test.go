package relay_test

import (
	"strings"
	"testing"

	"example.com/signet/pkg/relay"
	"example.com/signet/pkg/relay/relaytest"
)

// TestPostgres_VersionTooOld: a server that is too old for the statements is named before the first of them fails. What a
// server says of itself is replaced by a function that comes first in search_path.
func TestPostgres_VersionTooOld(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ version, number, refused string }{
		"the last one before the oldest": {"11.22 (Debian 11.22-0+deb10u2)", "110022", "PostgreSQL 11.22 (Debian 11.22-0+deb10u2), want 12 or later"},
		"of a time of three numbers":     {"9.6.24", "90624", "PostgreSQL 9.6.24, want 12 or later"},
		"the oldest":                     {"12.0", "120000", ""},
		"one that is to come":            {"99devel", "990000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := relaytest.Postgres(t)
			execute(t, url, `CREATE SCHEMA told`)
			execute(t, url, `CREATE FUNCTION told.current_setting(name text) RETURNS text LANGUAGE sql AS $$
SELECT CASE name WHEN 'server_version' THEN '`+tt.version+`' WHEN 'server_version_num' THEN '`+tt.number+`' ELSE pg_catalog.current_setting(name) END $$`)
			s, err := relay.Open(t.Context(), relay.Config{URL: url + "&search_path=told,pg_catalog"})
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if refused := err != nil; refused != (tt.refused != "") || refused && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%v, want %q", err, tt.refused)
			}
		})
	}
}

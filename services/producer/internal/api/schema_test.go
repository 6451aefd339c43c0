package api_test

import (
	"testing"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/service/servicetest"
	"example.com/signet/services/producer/internal/api"
	"example.com/signet/services/producer/internal/demo"
)

// TestRegister_DocumentsWhatIsWritten: the OpenAPI document has every member of every body.
func TestRegister_DocumentsWhatIsWritten(t *testing.T) {
	t.Parallel()
	server := service.NewServer(service.ServerOptions{BodyLimit: api.MaxBody})
	to := service.NewAPI(server.App, "test", "test", "token")
	api.Register(to, api.Rooms{Shop: &demo.Shop{}})
	servicetest.Documented(t, to)
}

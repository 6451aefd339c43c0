package adminapi_test

import (
	"testing"

	"example.com/signet/pkg/service"
	"example.com/signet/pkg/service/servicetest"
	"example.com/signet/services/receiver/internal/adminapi"
)

// TestRegister_DocumentsWhatIsWritten: the OpenAPI document has every member of every body.
func TestRegister_DocumentsWhatIsWritten(t *testing.T) {
	t.Parallel()
	server := service.NewServer(service.ServerOptions{BodyLimit: 1 << 20})
	api := service.NewAPI(server.App, "test", "test", "token")
	adminapi.Register(api, nil, nil)
	servicetest.Documented(t, api)
}

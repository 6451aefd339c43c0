module example.com/signet/pkg/webhook

go 1.26

require (
	example.com/signet/pkg/signature v0.0.0
	github.com/cenkalti/backoff/v5 v5.0.3
	go.uber.org/goleak v1.3.0
	pgregory.net/rapid v1.3.0
)

require github.com/stretchr/testify v1.12.1 // indirect

replace example.com/signet/pkg/signature => ../signature

module example.com/signet/pkg/signature

go 1.26

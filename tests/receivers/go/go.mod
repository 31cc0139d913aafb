module rialto.dev/client/receivers

go 1.24.0

require (
	github.com/nats-io/nats.go v1.49.0
	golang.org/x/net v0.49.0
	google.golang.org/grpc v1.80.0
	rialto.dev/client v0.0.0
)

require (
	github.com/klauspost/compress v1.18.2 // indirect
	github.com/nats-io/nkeys v0.4.12 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.47.0 // indirect
	golang.org/x/sys v0.40.0 // indirect
	golang.org/x/text v0.33.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260120221211-b8f7ae30c516 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace rialto.dev/client => ../../../clients/go

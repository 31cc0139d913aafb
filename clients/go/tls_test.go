package rialto_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	rialto "rialto.dev/client"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// publisher takes events, and keeps the tokens that came with them.
type publisher struct {
	rialtov1.UnimplementedMessagingServiceServer
	tokens chan string
}

func (p *publisher) Publish(ctx context.Context, _ *rialtov1.PublishRequest) (*rialtov1.PublishResponse, error) {
	said, _ := metadata.FromIncomingContext(ctx)
	p.tokens <- said.Get("authorization")[0]
	if _, has := ctx.Deadline(); !has {
		return nil, errors.New("the client has not told its deadline")
	}
	return &rialtov1.PublishResponse{Accepted: &rialtov1.Accepted{EventId: "e"}}, nil
}

// startTLS starts a server with a certificate of its own, and gives its address and who vouches for it.
func startTLS(t *testing.T, service *publisher) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&own)))
	rialtov1.RegisterMessagingServiceServer(server, service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	vouches := x509.NewCertPool()
	vouches.AddCert(certificate)
	return "https://" + listener.Addr().String(), vouches
}

func TestCallsGoOverTLSWithTheirTokens(t *testing.T) {
	service := &publisher{tokens: make(chan string, 2)}
	url, vouches := startTLS(t, service)
	client, err := rialto.NewClient(url, rialto.WithTLS(&tls.Config{RootCAs: vouches}), rialto.WithToken("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if taken, err := client.Publish(within(t), "chat", rialto.Rooms("hall"), "message", "hi"); err != nil || taken.ID != "e" {
		t.Fatal(taken, err)
	}
	if token := <-service.tokens; token != "Bearer sesame" {
		t.Error(token)
	}
}

func TestAServerThatNobodyVouchesForIsNotSpokenTo(t *testing.T) {
	service := &publisher{tokens: make(chan string, 2)}
	url, _ := startTLS(t, service)
	client, err := rialto.NewClient(url, rialto.WithToken("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Publish(within(t), "chat", rialto.Rooms("hall"), "message", "hi")
	var failed *rialto.Error
	if !errors.As(err, &failed) || failed.Kind != rialto.Unavailable || failed.MayHaveHappened || len(service.tokens) != 0 {
		t.Error(err)
	}
}

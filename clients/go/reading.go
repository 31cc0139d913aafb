package rialto

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"rialto.dev/client/internal/backoff"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// readSilence is how long a reading may be without a byte, readStreamSilence one of its streams.
	readSilence       = 2 * time.Minute
	readStreamSilence = 60 * time.Second
)

// Reading reads a payload that was uploaded. It goes on at the byte that it has reached when the server is lost, and
// ends well, with [io.EOF], only behind the last byte. Whoever stops before that calls Close.
type Reading struct {
	ctx      context.Context
	jobs     *Jobs
	uploaded Uploaded
	at       uint64
	heardAt  time.Time
	backoff  backoff.Backoff

	call   *opened
	stream grpc.ServerStreamingClient[rialtov1.ReadPayloadResponse]
	rest   []byte
	err    error
}

// Read reads a payload that was uploaded, from any byte on, as long as a job has it that has not ended well. The
// reading lasts as long as ctx.
func (j *Jobs) Read(ctx context.Context, uploaded Uploaded, offset uint64) *Reading {
	return &Reading{ctx: ctx, jobs: j, uploaded: uploaded, at: offset, heardAt: time.Now()}
}

// Read gives the next bytes.
func (r *Reading) Read(into []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err == nil {
			r.rest, r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	length := copy(into, r.rest)
	r.rest = r.rest[length:]
	return length, nil
}

// Close lets go of the reading.
func (r *Reading) Close() error {
	r.err = closedHere()
	r.lose()
	return nil
}

func (r *Reading) lose() {
	if r.call != nil {
		r.call.close()
		r.call = nil
	}
}

// next gives some bytes, over as many streams as it takes.
func (r *Reading) next() ([]byte, error) {
	for {
		data, err := r.receive()
		if err == nil {
			if len(data) > 0 {
				r.at += uint64(len(data))
				r.heardAt = time.Now()
				r.backoff.EndedAfter(backoff.Stable)
			}
			return data, nil
		}
		r.lose()
		failure := asError(err)
		switch {
		case errors.Is(err, io.EOF) && r.at >= r.uploaded.Bytes:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			failure = unknownOutcome("the stream ended before the last byte")
		case !failure.passes():
			return nil, failure
		}
		delay := max(r.backoff.Next(), failure.After)
		if time.Since(r.heardAt)+delay > readSilence {
			return nil, failure
		}
		if !sleep(r.ctx, delay) {
			return nil, givenUp(r.ctx, "", true)
		}
	}
}

// receive gives what one stream says next, which it opens if need be.
func (r *Reading) receive() ([]byte, error) {
	if r.call == nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	silent := time.AfterFunc(readStreamSilence, r.call.close)
	defer silent.Stop()
	said, err := r.stream.Recv()
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return said.GetData(), err
	case r.ctx.Err() == nil && !r.call.over.isOver() && announcedIn(err) == nil:
		return nil, unknownOutcome("the stream was lost")
	}
	return nil, r.call.failure(err)
}

func (r *Reading) open() (err error) {
	request := &rialtov1.ReadPayloadRequest{
		Namespace: r.jobs.namespace, Queue: r.jobs.queue, UploadId: r.uploaded.ID, Offset: r.at,
	}
	r.call, err = openCall(r.ctx, r.jobs.way, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		r.stream, err = started(rialtov1.NewJobServiceClient(conn).ReadPayload(ctx, request))
		return err
	})
	return err
}

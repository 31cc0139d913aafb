package rialto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

const (
	// chunksAtOnce are under way at once, and no more of the source is in memory.
	chunksAtOnce = 4
	// chunkTime is how long one chunk may take, chunkCall one call for it.
	chunkTime = 5 * time.Minute
	chunkCall = 60 * time.Second
)

// Upload uploads a payload that is too large for a message, and gives what a job of this queue can have as its payload.
// Chunks that nobody answered are said again. It takes as long as ctx and the source allow.
func (j *Jobs) Upload(ctx context.Context, source io.Reader) (Uploaded, error) {
	begun, err := j.beginUpload(ctx)
	if err != nil {
		return Uploaded{}, err
	}
	if begun.GetChunkBytes() == 0 {
		return Uploaded{}, other("the server wants chunks of no bytes", nil)
	}
	sending := newUploading(ctx, j, begun)
	bytes, err := sending.all(source)
	if failed := sending.wait(); failed != nil {
		return Uploaded{}, failed
	}
	return Uploaded{begun.GetUploadId(), bytes}, err
}

func (j *Jobs) beginUpload(ctx context.Context) (*rialtov1.BeginUploadResponse, error) {
	ctx, cancel := j.way.deadlines().within(ctx)
	defer cancel()
	request := &rialtov1.BeginUploadRequest{Namespace: j.namespace, Queue: j.queue}
	return again(ctx, func() (*rialtov1.BeginUploadResponse, error) {
		return callWithin[rialtov1.BeginUploadResponse](ctx, j.way, rialtov1.JobService_BeginUpload_FullMethodName, request)
	})
}

// uploading sends chunks side by side. The first that fails for good ends all of them.
type uploading struct {
	jobs   *Jobs
	begun  *rialtov1.BeginUploadResponse
	ctx    context.Context
	cancel context.CancelCauseFunc
	places chan struct{}
	group  sync.WaitGroup
}

func newUploading(ctx context.Context, jobs *Jobs, begun *rialtov1.BeginUploadResponse) *uploading {
	ctx, cancel := context.WithCancelCause(ctx)
	return &uploading{jobs: jobs, begun: begun, ctx: ctx, cancel: cancel, places: make(chan struct{}, chunksAtOnce)}
}

// wait ends with the last chunk, and says what has failed.
func (u *uploading) wait() error {
	u.group.Wait()
	defer u.cancel(nil)
	if u.ctx.Err() == nil {
		return nil
	}
	var failed *Error
	if errors.As(context.Cause(u.ctx), &failed) {
		return failed
	}
	return givenUp(u.ctx, "", true)
}

// all cuts the source into chunks and sends them; it gives how many bytes there were.
func (u *uploading) all(source io.Reader) (bytes uint64, err error) {
	for index := uint32(0); ; index++ {
		select {
		case u.places <- struct{}{}:
		case <-u.ctx.Done():
			return bytes, nil
		}
		chunk := make([]byte, u.begun.GetChunkBytes())
		length, err := io.ReadFull(source, chunk)
		bytes += uint64(length)
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return bytes, u.fail(other("the source cannot be read: "+err.Error(), err))
		case bytes == 0:
			return bytes, u.fail(&Error{Kind: Refused, Code: "INVALID", Advice: Never, Reason: "there is nothing to upload"})
		case bytes > u.begun.GetBytesMax():
			reason := fmt.Sprintf("an upload has at most %d bytes", u.begun.GetBytesMax())
			return bytes, u.fail(&Error{Kind: Refused, Code: "PAYLOAD_TOO_LARGE", Advice: Never, Reason: reason})
		case length > 0:
			u.send(index, chunk[:length])
		}
		if err != nil {
			return bytes, nil
		}
	}
}

func (u *uploading) fail(why *Error) error {
	u.cancel(why)
	return why
}

func (u *uploading) send(index uint32, chunk []byte) {
	request := &rialtov1.UploadChunkRequest{
		Namespace: u.jobs.namespace, Queue: u.jobs.queue, UploadId: u.begun.GetUploadId(), Index: index, Data: chunk,
	}
	u.group.Add(1)
	go func() {
		defer u.group.Done()
		defer func() { <-u.places }()
		ctx, cancel := context.WithTimeout(u.ctx, chunkTime)
		defer cancel()
		_, err := again(ctx, func() (*rialtov1.UploadChunkResponse, error) {
			once, cancel := context.WithTimeout(ctx, chunkCall)
			defer cancel()
			return callWithin[rialtov1.UploadChunkResponse](once, u.jobs.way, rialtov1.JobService_UploadChunk_FullMethodName, request)
		})
		if err != nil {
			u.cancel(err)
		}
	}()
}

package rialto

import (
	"encoding/json"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Uploaded is a payload that was uploaded by itself, because it is large.
type Uploaded struct {
	// ID is known to whoever may add to the upload: keep it to yourself.
	ID string
	// Bytes in all.
	Bytes uint64
}

// JobPayload is what a job or its result says.
type JobPayload struct {
	// ContentType is the media type; empty where none was given.
	ContentType string
	// Uploaded is set when the payload was uploaded by itself: then it is to be read, and is not text or bytes.
	Uploaded *Uploaded

	payload Payload
}

func jobPayloadOf(body *rialtov1.JobBody) JobPayload {
	made := JobPayload{ContentType: body.GetContentType()}
	if uploaded := body.GetUploaded(); uploaded != nil {
		made.Uploaded = &Uploaded{uploaded.GetUploadId(), uploaded.GetBytes()}
		return made
	}
	_, isText := body.GetBody().(*rialtov1.JobBody_Text)
	made.payload = payloadOf(body, isText)
	return made
}

func (p JobPayload) whole() error {
	if p.Uploaded != nil {
		return invalid("the payload was uploaded: read it")
	}
	return nil
}

// IsText holds when it was given as text, and not as bytes.
func (p JobPayload) IsText() bool { return p.payload.IsText() }

// Text is the payload as text; empty for bytes that are not UTF-8. One that was uploaded is [Invalid].
func (p JobPayload) Text() (string, error) { return p.payload.Text(), p.whole() }

// Bytes is the payload as bytes. One that was uploaded is [Invalid].
func (p JobPayload) Bytes() ([]byte, error) { return p.payload.Bytes(), p.whole() }

// JSON reads the payload as JSON into what value points to. One that was uploaded is [Invalid].
func (p JobPayload) JSON(value any) error {
	if err := p.whole(); err != nil {
		return err
	}
	return json.Unmarshal(p.payload.Bytes(), value)
}

// jobBody takes what [encode] takes, and what was uploaded.
func jobBody(payload any, contentType string) (*rialtov1.JobBody, error) {
	switch payload := payload.(type) {
	case *Uploaded:
		return jobBody(*payload, contentType)
	case Uploaded:
		uploaded := &rialtov1.UploadedPayload{UploadId: payload.ID, Bytes: payload.Bytes}
		return &rialtov1.JobBody{Body: &rialtov1.JobBody_Uploaded{Uploaded: uploaded}, ContentType: contentType}, nil
	}
	made, err := encode(payload)
	if err != nil {
		return nil, err
	}
	body := &rialtov1.JobBody{ContentType: made.contentType}
	if contentType != "" {
		body.ContentType = contentType
	}
	if made.text != nil {
		body.Body = &rialtov1.JobBody_Text{Text: *made.text}
	} else if made.binary != nil {
		body.Body = &rialtov1.JobBody_Binary{Binary: made.binary}
	}
	return body, nil
}

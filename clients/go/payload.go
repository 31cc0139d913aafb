package rialto

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Payload is what an event, an answer or a key of a state says.
type Payload struct {
	// ContentType is the media type; empty where none was given.
	ContentType string

	data   []byte
	isText bool
}

// IsText holds when it was sent as text, and not as bytes.
func (p Payload) IsText() bool { return p.isText }

// Text is the payload as text; empty for bytes that are not UTF-8.
func (p Payload) Text() string {
	if !p.isText && !utf8.Valid(p.data) {
		return ""
	}
	return string(p.data)
}

// Bytes is the payload as bytes, which are not to be changed.
func (p Payload) Bytes() []byte { return p.data }

// JSON reads the payload as JSON into what value points to.
func (p Payload) JSON(value any) error { return json.Unmarshal(p.data, value) }

// body has the two ways in which the contract carries a payload.
type body interface {
	GetText() string
	GetBinary() []byte
	GetContentType() string
}

func payloadOf(b body, isText bool) Payload {
	if isText {
		return Payload{ContentType: b.GetContentType(), data: []byte(b.GetText()), isText: true}
	}
	return Payload{ContentType: b.GetContentType(), data: b.GetBinary()}
}

// encoded is a payload on its way out: text, bytes, or nothing.
type encoded struct {
	text        *string
	binary      []byte
	contentType string
}

// encode takes text, bytes, nothing (nil), and any other value as JSON.
func encode(payload any) (encoded, error) {
	switch payload := payload.(type) {
	case nil:
		return encoded{}, nil
	case string:
		if !utf8.ValidString(payload) {
			return encoded{}, invalid("a text is UTF-8; send other bytes as []byte")
		}
		return encoded{text: &payload}, nil
	case []byte:
		if payload == nil {
			payload = []byte{}
		}
		return encoded{binary: payload}, nil
	case Payload:
		made := encoded{binary: payload.data, contentType: payload.ContentType}
		if payload.isText {
			text := string(payload.data)
			made.text, made.binary = &text, nil
		}
		return made, nil
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(payload); err != nil {
		return encoded{}, &Error{Kind: Invalid, Reason: "the payload cannot be written as JSON: " + err.Error(), cause: err}
	}
	text := strings.TrimSuffix(written.String(), "\n")
	return encoded{text: &text, contentType: "application/json"}, nil
}

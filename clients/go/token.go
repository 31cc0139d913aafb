package rialto

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// renewAt is the share of a token's life after which the next one is asked for.
	renewAt = 0.8
	// askAgain is how long after a callback has failed it is asked once more, while the session is attached.
	askAgain = 5 * time.Second
)

// Token is a JWT or an API key.
type Token struct {
	// Text is the token. It shows up in no log of this package.
	Text string
	// ExpiresIn is how long it is good for from now on; 0: not known. Of a JWT its own "exp" counts then.
	ExpiresIn time.Duration
}

// String hides the text.
func (t Token) String() string { return "Token(…)" }

// GoString hides the text.
func (t Token) GoString() string { return t.String() }

// life is how long the token is good for; 0: not known.
func (t Token) life(now time.Time) time.Duration {
	if t.ExpiresIn > 0 {
		return t.ExpiresIn
	}
	parts := strings.Split(t.Text, ".")
	if len(parts) != 3 {
		return 0
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0
	}
	var expiry struct {
		Exp float64 `json:"exp"`
	}
	// A time that no clock shows is none.
	if json.Unmarshal(claims, &expiry) != nil || expiry.Exp <= 0 || expiry.Exp > 1e11 {
		return 0
	}
	return max(time.Unix(int64(expiry.Exp), 0).Sub(now), time.Millisecond)
}

// tokenSource says where tokens come from: nowhere, always the same, or a callback.
type tokenSource struct {
	fixed *Token
	ask   func(context.Context) (Token, error)
}

// renewable holds when there can be another token than the last one.
func (s tokenSource) renewable() bool { return s.ask != nil }

// fetch gives a token to use now. A callback that takes no notice of ctx is not waited for.
func (s tokenSource) fetch(ctx context.Context) (Token, error) {
	if s.ask == nil {
		if s.fixed == nil {
			return Token{}, nil
		}
		return *s.fixed, checked(s.fixed.Text)
	}
	type answer struct {
		token Token
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		token, err := s.ask(ctx)
		answers <- answer{token, err}
	}()
	select {
	case got := <-answers:
		if got.err != nil {
			return Token{}, &Error{Kind: Unavailable, Reason: fmt.Sprintf("no token: %v", got.err), cause: got.err}
		}
		return got.token, checked(got.token.Text)
	case <-ctx.Done():
		return Token{}, &Error{Kind: Unavailable, Reason: "no token in time", cause: ctx.Err()}
	}
}

// checked turns down what metadata cannot carry.
func checked(token string) error {
	for _, letter := range []byte(token) {
		if letter < 0x20 || letter > 0x7e {
			return invalid("a token has visible ASCII characters alone")
		}
	}
	return nil
}

// mayHaveExpired holds when a callback may have a better token for a stream that had been open before.
func (s tokenSource) mayHaveExpired(failure *Error) bool {
	return s.renewable() && failure.Kind == Refused && failure.Code == "UNAUTHENTICATED"
}

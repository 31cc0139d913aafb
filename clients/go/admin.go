package rialto

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// Admin acts on who may come in. Everything here needs the right "admin" in all namespaces.
type Admin struct{ way lanes }

// Revoked is what is revoked: exactly one of its fields.
type Revoked struct{ User, TokenID, SessionID string }

func (r Revoked) wire() *rialtov1.Revoked {
	switch {
	case r.User != "":
		return &rialtov1.Revoked{What: &rialtov1.Revoked_User{User: r.User}}
	case r.TokenID != "":
		return &rialtov1.Revoked{What: &rialtov1.Revoked_TokenId{TokenId: r.TokenID}}
	}
	return &rialtov1.Revoked{What: &rialtov1.Revoked_SessionId{SessionId: r.SessionID}}
}

// Revocation is a revocation as it is kept.
type Revocation struct {
	Revoked Revoked
	// At is when, Until when it is kept.
	At, Until time.Time
	// Reason is for operators.
	Reason string
}

func revocationOf(revocation *rialtov1.Revocation) Revocation {
	revoked := revocation.GetRevoked()
	return Revocation{
		Revoked: Revoked{revoked.GetUser(), revoked.GetTokenId(), revoked.GetSessionId()},
		At:      timeOf(revocation.GetRevokedAt()), Until: timeOf(revocation.GetKeptUntil()), Reason: revocation.GetReason(),
	}
}

// RevokeDone says what a revocation has done.
type RevokeDone struct {
	Revocation Revocation
	// SessionsEnded is how many sessions have ended by it.
	SessionsEnded uint32
	// NodesMissing did not answer; they follow as soon as they are reached.
	NodesMissing []string
	Durability   Durability
}

// Revoke takes back what a token, a user or a session may. It is kept for keep, which is to be longer than any token
// lives that it is about; 0: 30 days. The reason is for operators, at most 256 bytes.
func (a *Admin) Revoke(ctx context.Context, revoked Revoked, keep time.Duration, reason string) (RevokeDone, error) {
	request := &rialtov1.RevokeRequest{Revoked: revoked.wire(), Reason: reason}
	if keep > 0 {
		request.Keep = durationpb.New(keep)
	}
	answer, err := call[rialtov1.RevokeResponse](ctx, a.way, rialtov1.AdminService_Revoke_FullMethodName, request)
	return RevokeDone{
		revocationOf(answer.GetRevocation()), answer.GetSessionsEnded(), answer.GetNodesMissing(),
		durabilityOf(answer.GetDurability()),
	}, err
}

// Revocations lists what is revoked, the newest first.
func (a *Admin) Revocations(ctx context.Context, of PageOf) (Page[Revocation], error) {
	request := &rialtov1.ListRevocationsRequest{PageSize: of.Size, PageToken: of.Next}
	answer, err := call[rialtov1.ListRevocationsResponse](ctx, a.way, rialtov1.AdminService_ListRevocations_FullMethodName, request)
	page := Page[Revocation]{Next: answer.GetNextPageToken(), TotalCount: answer.GetTotalCount()}
	for _, revocation := range answer.GetRevocations() {
		page.Items = append(page.Items, revocationOf(revocation))
	}
	return page, err
}

// Reinstate ends a revocation before its time, and says whether there was one. It gives the nodes that did not answer.
func (a *Admin) Reinstate(ctx context.Context, revoked Revoked) (was bool, nodesMissing []string, err error) {
	request := &rialtov1.ReinstateRequest{Revoked: revoked.wire()}
	answer, err := call[rialtov1.ReinstateResponse](ctx, a.way, rialtov1.AdminService_Reinstate_FullMethodName, request)
	return answer.GetWasRevoked(), answer.GetNodesMissing(), err
}

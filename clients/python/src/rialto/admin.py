"""Acting on who may come in, for operators and backends. Needs the right `admin` in all namespaces."""

from __future__ import annotations

from . import v1
from ._line import Line
from ._pages import Page
from ._times import duration
from .errors import RialtoError


class Admin:
    """Revocations. What is given is what the service says."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def revoke(
        self,
        *,
        user: str = "",
        token_id: str = "",
        session: str = "",
        keep: float | None = None,
        reason: str = "",
        deadline: float | None = None,
    ) -> v1.RevokeResponse:
        """Takes back what a user, a token or a session may; kept for so many seconds, 30 days unless told
        otherwise."""
        request = v1.RevokeRequest(revoked=_revoked(user, token_id, session), reason=reason)
        if keep is not None:
            request.keep.CopyFrom(duration(keep))
        return await self._line.call("AdminService/Revoke", request, v1.RevokeResponse, deadline)

    async def revocations(
        self, *, page_size: int = 0, page_token: str = "", deadline: float | None = None
    ) -> Page[v1.Revocation]:
        """A page of what is revoked, the newest first."""
        request = v1.ListRevocationsRequest(page_size=page_size, page_token=page_token)
        path = "AdminService/ListRevocations"
        found = await self._line.call(path, request, v1.ListRevocationsResponse, deadline)
        return Page(list(found.revocations), found.next_page_token, total=found.total_count)

    async def reinstate(
        self, *, user: str = "", token_id: str = "", session: str = "", deadline: float | None = None
    ) -> v1.ReinstateResponse:
        """Ends a revocation before its time. Sessions that have ended do not come back."""
        request = v1.ReinstateRequest(revoked=_revoked(user, token_id, session))
        return await self._line.call("AdminService/Reinstate", request, v1.ReinstateResponse, deadline)


def _revoked(user: str, token_id: str, session: str) -> v1.Revoked:
    if sum(map(bool, (user, token_id, session))) != 1:
        raise RialtoError("invalid", "exactly one of user, token and session is revoked")
    if user:
        return v1.Revoked(user=user)
    return v1.Revoked(token_id=token_id) if token_id else v1.Revoked(session_id=session)

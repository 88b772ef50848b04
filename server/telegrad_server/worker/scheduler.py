"""Decides whose rows run next: sessions take turns by deficit round robin on measured time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from time import perf_counter

from telegrad_protocol.errors import NotFound

from .session import Session
from .submissions import Stream, Submission
from .transfers import Upload

QUANTUM = 0.010
"""Seconds of kernel time that a session gets before the next one's turn."""

UPLOAD_PATIENCE = 60.0
"""Seconds that a row waits for an upload that has not begun."""


class Scheduler:
    """Each turn adds a quantum to a session's credit, and its rows run until the credit is spent.

    A session that overdraws, by one long kernel, sits out the turns that its credit needs to be positive again.
    `sessions` are the executor's; `active` are the ids of those with submissions; `credit` is in seconds.
    """

    def __init__(self, sessions: dict[str, Session]) -> None:
        self.sessions = sessions
        self.active: deque[str] = deque()
        self.credit: dict[str, float] = {}

    def add(self, session_id: str) -> None:
        self.credit[session_id] = 0.0

    def remove(self, session_id: str) -> None:
        self.credit.pop(session_id, None)

    def wake(self, session_id: str) -> None:
        """A session has submissions: it takes part in the turns."""
        if session_id not in self.active:
            self.active.append(session_id)

    def runnable(self) -> bool:
        """Whether any session has a row that can run now."""
        return any(self._can_run(session_id) for session_id in self.active)

    def waiting(self) -> bool:
        """Whether any submission is not done yet."""
        sessions = [self.sessions[session_id] for session_id in self.active if session_id in self.sessions]
        return any(_has_submissions(session) for session in sessions)

    def turns(self) -> Iterator[tuple[str, Session]]:
        """One turn for each session that can run rows and has credit; the caller runs them, and charges the time."""
        for _ in range(len(self.active)):
            session_id = self.active.popleft()
            session = self.sessions.get(session_id)
            if session is None:
                continue
            if self._can_run(session_id):
                self.credit[session_id] = min(self.credit[session_id] + QUANTUM, QUANTUM)
                if self.credit[session_id] > 0:
                    yield session_id, session
            if session_id in self.sessions and _has_submissions(session):
                self.wake(session_id)

    def has_credit(self, session_id: str) -> bool:
        return self.credit.get(session_id, 0.0) > 0

    def charge(self, session_id: str, seconds: float) -> None:
        """Take time that a session's rows have run off its credit, unless the session was closed meanwhile."""
        if session_id in self.credit:
            self.credit[session_id] -= seconds

    def ready(self, session: Session, streams: Iterable[Stream]) -> list[tuple[Stream, Submission]]:
        """The next submissions of these streams, without those that wait for an upload."""
        found = [(stream, stream.submissions[0]) for stream in streams if stream.submissions]
        return [(stream, submission) for stream, submission in found if not _waits(session, submission)]

    def _can_run(self, session_id: str) -> bool:
        session = self.sessions.get(session_id)
        if session is None:
            return False
        firsts = [stream.submissions[0] for stream in session.streams.values() if stream.submissions]
        return any(not _waits(session, submission) for submission in firsts)


def _has_submissions(session: Session) -> bool:
    return any(stream.submissions for stream in session.streams.values())


def _waits(session: Session, submission: Submission) -> bool:
    """Whether a submission's next row still waits for an upload."""
    if not submission.waiting_since:
        return False
    upload_id = submission.rows[submission.next].args[0]
    found = session.uploads.get(upload_id)
    if found is not None:
        return not found.done
    if perf_counter() - submission.waiting_since < UPLOAD_PATIENCE:
        return True
    late = NotFound(f"upload {upload_id} did not come within {UPLOAD_PATIENCE:.0f} s")
    session.uploads[upload_id] = Upload.failed(session.xp, session.budget, late)
    return False

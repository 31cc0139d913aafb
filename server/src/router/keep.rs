//! Events that are kept in histories, and events with an idempotency key: their place first, then the same fan-out as for
//! any other. Kept in memory they are placed and handed out in one step, under the locks of their rooms; kept on disk
//! they are placed and written, and handed out when they are durable.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use rialto_proto::v1::{Accepted, RefusalCode};

use super::{
    Router,
    keeping::{Done, Keeping, Taken},
    lane::Deed,
    part::Part,
};
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        ids::RoomName,
        refusal::{Refusal, Retry},
    },
    history::{Draft, Idempotency, Outcome, Seen, Staged},
    hub::{FanOut, What},
    wire::{
        Class,
        target::{Target, Who},
    },
};

impl Router {
    /// Whether an event is kept: sent reliably to rooms, and to all of their members. What leaves somebody out is not what
    /// every member may read; what may be lost or replaced on its way is not worth keeping.
    pub(super) fn is_kept(&self, settings: &NamespaceSettings, target: &Target, class: Class) -> bool {
        settings.history != HistoryKind::Off
            && class == Class::Reliable
            && target.except_rooms.is_empty()
            && target.except_sessions.is_empty()
            && !(target.local && self.bridge.is_some())
            && matches!(&target.who, Who::Union { rooms, .. } if !rooms.is_empty())
    }

    /// Whether what rooms keep is written before it is shown. Of several nodes another one may have to take it over.
    pub(super) fn is_written_down(&self, settings: &NamespaceSettings) -> bool {
        settings.history == HistoryKind::Durable || self.bridge.is_some()
    }

    /// Takes an event that is kept or named for ever. `done` hears of it, at once or when it is durable.
    pub(super) fn keep(&self, keeping: Keeping, done: Done) {
        let Some(first) = keeping.rooms.first() else { return self.keep_name(keeping, done) };
        let part = |room: &RoomName| self.parts.of(&keeping.namespace, room.as_str());
        let first = part(first);
        if keeping.rooms.iter().all(|room| part(room) == first) {
            return self.keep_in(first, keeping, done);
        }
        self.keep_apart(keeping, done);
    }

    /// Takes an event that is kept nowhere under its idempotency key. Where all nodes are to know that, the owner of its first room, or
    /// of its user where it is for none, notes the key and hands the event out, so that those of one room keep their order; but not
    /// what is for this node alone, or for whoever is here.
    fn keep_name(&self, keeping: Keeping, done: Done) {
        let anywhere = !keeping.target.local && !matches!(keeping.target.who, Who::AnyOf(_));
        if !(keeping.settings.keys_shared && anywhere && self.bridge.is_some()) {
            return self.keep_in_memory(&Arc::clone(self.parts.own()), keeping, done);
        }
        let of = keeping.target.rooms().first().map_or(keeping.user.as_str(), RoomName::as_str);
        let part = self.parts.of(&keeping.namespace, of);
        self.keep_afar(part, keeping, done);
    }

    /// Takes an event that is kept in rooms of one part.
    pub(super) fn keep_in(&self, part: u32, keeping: Keeping, done: Done) {
        if self.bridge.is_some() {
            return self.keep_afar(part, keeping, done);
        }
        match self.parts.here(part) {
            Some(here) => self.keep_here(&here, keeping, done),
            None => done(self, Err(storage_failed())),
        }
    }

    /// The same of a part that is here.
    pub(super) fn keep_here(&self, part: &Arc<Part>, keeping: Keeping, done: Done) {
        if self.is_written_down(&keeping.settings) {
            self.keep_on_disk(part, keeping, done);
        } else {
            self.keep_in_memory(part, keeping, done);
        }
    }

    fn keep_in_memory(&self, part: &Arc<Part>, keeping: Keeping, done: Done) {
        match self.keep_at_once(part, &keeping) {
            Ok(outcome) => self.told_outcome(part, keeping, outcome, done),
            Err(refusal) => done(self, Err(refusal)),
        }
    }

    fn told_outcome(&self, part: &Arc<Part>, keeping: Keeping, outcome: Kept, done: Done) {
        match outcome {
            Kept::Taken(taken) => done(self, Ok(*taken)),
            Kept::Seen(seen) => self.seen(part, keeping, seen, done),
        }
    }

    /// Places an event and hands it out, in one step.
    fn keep_at_once(&self, part: &Part, keeping: &Keeping) -> Result<Kept, Refusal> {
        let digest = keeping.digest();
        let draft = Cell::new(Some(self.draft(keeping, &digest)));
        let staged: RefCell<Option<Staged>> = RefCell::new(None);
        let seen = Cell::new(None);
        let make = || {
            let draft = draft.take().ok_or_else(twice)?;
            match part.histories.stage(draft)? {
                Outcome::Staged(new) => {
                    part.histories.publish(&new);
                    let frame = new.frame.clone();
                    staged.replace(Some(new));
                    Ok(frame)
                }
                Outcome::Seen(known) => {
                    seen.set(Some(known));
                    Err(twice())
                }
            }
        };
        let sent = self.hub.emit(keeping.emission(What::Made(&make), false));
        let fan_out = sent.map_err(|held| self.let_go(held));
        if let Some(seen) = seen.take() {
            return Ok(Kept::Seen(seen));
        }
        let mut fan_out = fan_out?;
        if let Some(due) = fan_out.due.take() {
            self.flush_at(due, keeping.namespace.clone(), keeping.target.clone());
        }
        let staged = staged.take().ok_or_else(twice)?;
        self.tell_others(&keeping.namespace, &keeping.target, &staged.frame);
        self.tell_programs(&keeping.settings, keeping.target.rooms(), &staged.frame);
        let accepted = part.histories.answered(&staged, fan_out.delivered);
        Ok(Kept::Taken(Box::new(Taken { accepted, fan_out })))
    }

    /// Places and writes an event; it is handed out when it is durable.
    fn keep_on_disk(&self, part: &Arc<Part>, keeping: Keeping, done: Done) {
        let nothing = || Err(Refusal::new(RefusalCode::Internal, "made before it is handed out"));
        if let Err(refusal) = self.hub.charge(keeping.emission(What::Made(&nothing), false)) {
            return done(self, Err(refusal));
        }
        let mut parts = Some((keeping, done));
        let mut known = None;
        let staged = part.lane.stage(|| {
            let Some((keeping, _)) = &parts else { return Ok(None) };
            let digest = keeping.digest();
            match part.histories.stage(self.draft(keeping, &digest))? {
                Outcome::Seen(seen) => {
                    known = Some(seen);
                    Ok(None)
                }
                Outcome::Staged(staged) => {
                    let Some((keeping, done)) = parts.take() else { return Ok(None) };
                    let position = staged.position.unwrap_or_default();
                    Ok(Some((position, hand_out(Arc::clone(part), keeping, staged, done))))
                }
            }
        });
        let Some((keeping, done)) = parts else { return };
        match (staged, known) {
            (Err(refusal), _) => done(self, Err(refusal)),
            (Ok(()), Some(seen)) => self.seen(part, keeping, seen, done),
            (Ok(()), None) => done(self, Err(twice())),
        }
    }

    fn draft<'a>(&self, keeping: &'a Keeping, digest: &[u8; 16]) -> Draft<'a> {
        let key = keeping.idempotency_key.as_str();
        let named = (!key.is_empty()).then(|| Idempotency { user: &keeping.user, key, digest: *digest });
        Draft {
            namespace: &keeping.namespace,
            settings: &keeping.settings,
            rooms: &keeping.rooms,
            event: keeping.event.clone(),
            class: keeping.class,
            excluded: keeping.sender.filter(|_| !keeping.target.include_sender),
            idempotency: named,
            now: clock::wall(),
        }
    }

    /// Answers an event that comes again as the first one was, when that is known.
    fn seen(&self, part: &Arc<Part>, keeping: Keeping, seen: Seen, done: Done) {
        match seen {
            Seen::Answered(accepted) => {
                let accepted = Accepted { duplicate: true, ..accepted };
                done(self, Ok(Taken { accepted, fan_out: FanOut::default() }));
            }
            Seen::Conflict => done(self, Err(conflict())),
            // Behind the first one: then its answer is known.
            Seen::Pending(_) => {
                let here = Arc::clone(part);
                part.lane.then(Box::new(move |router, _| router.look_again(&here, &keeping, done)));
            }
        }
    }

    /// Names an event for ever that is kept nowhere; gives the answer instead when one of that name was taken before.
    pub(super) fn name(&self, keeping: &Keeping) -> Result<Result<Staged, Accepted>, Refusal> {
        let (digest, part) = (keeping.digest(), self.parts.own());
        match part.histories.stage(self.draft(keeping, &digest))? {
            Outcome::Staged(staged) => {
                part.histories.publish(&staged);
                Ok(Ok(staged))
            }
            Outcome::Seen(Seen::Answered(accepted)) => Ok(Err(Accepted { duplicate: true, ..accepted })),
            Outcome::Seen(Seen::Pending(_)) => Err(twice()),
            Outcome::Seen(Seen::Conflict) => Err(conflict()),
        }
    }

    fn look_again(&self, part: &Part, keeping: &Keeping, done: Done) {
        let digest = keeping.digest();
        let named = Idempotency { user: &keeping.user, key: &keeping.idempotency_key, digest };
        match part.histories.seen_before(&keeping.namespace, named) {
            Some(Seen::Answered(accepted)) => {
                let accepted = Accepted { duplicate: true, ..accepted };
                done(self, Ok(Taken { accepted, fan_out: FanOut::default() }));
            }
            _ => done(self, Err(twice())),
        }
    }
}

/// What became of an event that is kept in memory.
enum Kept {
    Taken(Box<Taken>),
    Seen(Seen),
}

/// Hands out an event that has become durable.
fn hand_out(part: Arc<Part>, keeping: Keeping, staged: Staged, done: Done) -> Deed {
    Box::new(move |router, durable| {
        if let Err(error) = durable {
            tracing::error!(%error, "an event that was taken did not become durable");
            return done(router, Err(storage_failed()));
        }
        let show = || {
            part.histories.publish(&staged);
            router.mirror_kept(&keeping.namespace, &staged.accepted, &keeping.rooms);
            Ok(staged.frame.clone())
        };
        match router.hub.emit(keeping.emission(What::Made(&show), true)) {
            Ok(mut fan_out) => {
                if let Some(due) = fan_out.due.take() {
                    router.flush_at(due, keeping.namespace.clone(), keeping.target.clone());
                }
                if staged.is_kept() {
                    router.tell_kept(&keeping, &staged);
                } else {
                    router.tell_others(&keeping.namespace, &keeping.target, &staged.frame);
                }
                router.tell_programs(&keeping.settings, keeping.target.rooms(), &staged.frame);
                let accepted = part.histories.answered(&staged, fan_out.delivered);
                done(router, Ok(Taken { accepted, fan_out }));
            }
            Err(held) => done(router, Err(router.let_go(held))),
        }
    })
}

fn conflict() -> Refusal {
    let refusal = Refusal::new(RefusalCode::RefReused, "the idempotency key was used for something else");
    Refusal { field: "idempotency_key", ..refusal }
}

/// The same event is on its way at this very moment.
fn twice() -> Refusal {
    let refusal = Refusal::rate("idempotency_key", std::time::Duration::from_millis(20));
    Refusal { reason: "the same event is being taken".into(), ..refusal }
}

/// Whether it was carried out is not known.
pub(super) fn storage_failed() -> Refusal {
    let refusal = Refusal::new(RefusalCode::StorageFailed, "the log has failed; the outcome is not known");
    Refusal { retry: Retry::AfterChange, ..refusal }
}

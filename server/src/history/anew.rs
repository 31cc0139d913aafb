//! Beginning anew where the log has lost what it had acknowledged: what is left may be read, and no offset and no revision is
//! given a second time.

use super::{
    Histories,
    epoch::Epoch,
    life::{Life, Seal},
    record::{Kind, SealRecord, StateRecord},
    shard::Room,
    state::State,
};
use crate::base::refusal::Refusal;

impl Histories {
    /// Ends every life: the next event of a room begins another one, and states have another one at once. For what was just
    /// taken up; nothing may be under way.
    pub fn begin_anew(&self) -> Result<(), Refusal> {
        for shard in self.shards.all() {
            let mut shard = shard.lock();
            for (namespace, rooms) in &mut shard.namespaces {
                for (name, Room { life, state }) in rooms {
                    life.iter_mut().try_for_each(|life| self.end_life(namespace, name, life))?;
                    state.iter_mut().try_for_each(|state| self.renew_state(namespace, name, state))?;
                }
            }
        }
        Ok(())
    }

    fn end_life(&self, namespace: &str, room: &str, life: &mut Life) -> Result<(), Refusal> {
        if let Some(offset) = life.unsealed() {
            let (namespace, room) = (namespace.to_owned(), room.to_owned());
            let seal = SealRecord { namespace, room, epoch: life.epoch.0, offset };
            let position = self.append(&Kind::Seal(seal).into_bytes())?;
            life.seal(Seal { position, offset }, self.progress());
        }
        life.ended = true;
        Ok(())
    }

    fn renew_state(&self, namespace: &str, room: &str, state: &mut State) -> Result<(), Refusal> {
        let epoch = Epoch::random();
        let (floor, items) = state.before(super::life::NOWHERE);
        let record = StateRecord {
            namespace: namespace.to_owned(),
            room: room.to_owned(),
            epoch: epoch.0,
            floor,
            entries: items.iter().map(|item| (*item.entry).clone()).collect(),
        };
        let position = self.append(&Kind::State(record).into_bytes())?;
        state.renew(epoch, position);
        Ok(())
    }
}

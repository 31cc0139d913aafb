//! What the adversary does: to the disk and the power of a node alone, and to the network between several.

use std::time::Duration;

use rialto_server::log::local::simulated::Fault;

use super::world::World;

impl World {
    /// Something goes wrong.
    pub(super) async fn fault(&mut self) {
        if self.notes.several { self.fault_between().await } else { self.fault_of_one().await }
    }

    async fn fault_of_one(&mut self) {
        let which = self.notes.chance.below(8);
        self.notes.trace.note(format_args!("fault {which}"));
        let soon = self.notes.chance.between(1, 12);
        let site = &mut self.sites[0];
        match which {
            0 => self.crash(0, true).await,
            1 => self.crash(0, false).await,
            2 => site.disk.fail(Fault::Sync(soon)),
            3 => site.disk.fail(Fault::Write(soon)),
            4 => site.disk.fail(Fault::ShortWrite(soon)),
            5 => {
                // Without a node nothing is written in the middle of which the power could go.
                let Some(node) = &site.node else { return };
                site.disk.fail(Fault::Power(soon));
                // The power goes in the middle of what is written now, if that is long enough.
                node.log.flush().ok();
                self.crash(0, true).await;
            }
            6 => {
                let space = (!self.notes.chance.one_in(2)).then(|| self.notes.chance.between(0, 96 << 10));
                site.disk.set_space(space);
            }
            _ => site.stalled_steps = self.notes.chance.between(5, 60),
        }
    }

    async fn fault_between(&mut self) {
        let which = self.notes.chance.below(8);
        let at = self.notes.chance.below(self.sites.len() as u64) as usize;
        self.notes.trace.note(format_args!("fault {which} at {at}"));
        let Some(cluster) = &self.cluster else { return };
        let link = self.sites[at].node.as_ref().map(|node| node.link);
        match (which, link) {
            (0, Some(_)) if self.notes.sites.len() > 1 => self.crash(at, false).await,
            (1..=2, Some(link)) => {
                let noticed = self.notes.chance.pick(&[0, 20, 2_000]);
                cluster.network.part(link, Duration::from_millis(noticed));
                self.notes.counts.partitions += 1;
                self.cut_senders(at);
                self.sites[at].stalled_steps = self.notes.chance.pick(&[3, 30, 120]);
            }
            (3, Some(link)) => cluster.network.slow_down(link, self.notes.chance.between(1, 6)),
            _ => cluster.network.stir(),
        }
    }
}

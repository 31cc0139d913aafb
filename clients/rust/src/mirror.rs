//! The keyed state of one room as the session knows it, kept right through changes and fresh beginnings: whoever
//! watches sees what became different, and nothing of how it came. Pure; used by `audience.rs`.

use std::collections::BTreeMap;

use rialto_proto::v1;

type Entries = BTreeMap<String, v1::StateEntry>;

/// What is known of the state of one room. As large as the server lets the state of a room be.
#[derive(Debug)]
pub(crate) struct Mirror {
    epoch: String,
    entries: Entries,
    /// Gathers what is told anew, until it is whole.
    arriving: Option<Entries>,
    /// The state has been known whole once.
    known: bool,
}

impl Default for Mirror {
    fn default() -> Self {
        Self { epoch: String::new(), entries: Entries::new(), arriving: Some(Entries::new()), known: false }
    }
}

impl Mirror {
    /// Everything that there is; `None` as long as that is not known.
    pub(crate) fn whole(&self) -> Option<Vec<v1::StateEntry>> {
        self.known.then(|| self.entries.values().cloned().collect())
    }

    /// Takes in what the server tells. Returns what is different now, and whether this is the first time that the state
    /// is known whole; `None` when nothing can be said yet.
    pub(crate) fn take(&mut self, changes: v1::StateChanges) -> Option<(Vec<v1::StateEntry>, bool)> {
        let anew = changes.reset || (self.arriving.is_none() && changes.epoch != self.epoch);
        if anew {
            self.arriving = Some(Entries::new());
        }
        let same_epoch = self.epoch == changes.epoch;
        let Some(arriving) = &mut self.arriving else {
            let news = changes.entries.into_iter().filter_map(|entry| set(&mut self.entries, entry));
            let news: Vec<v1::StateEntry> = news.collect();
            return (!news.is_empty()).then_some((news, false));
        };
        for entry in changes.entries {
            set(arriving, entry);
        }
        if !changes.complete {
            return None;
        }
        let arrived = self.arriving.take().unwrap_or_default();
        let before = std::mem::replace(&mut self.entries, arrived);
        self.epoch = changes.epoch;
        let first = !std::mem::replace(&mut self.known, true);
        let news = difference(&before, &self.entries, same_epoch);
        (first || !news.is_empty()).then_some((news, first))
    }
}

/// Sets one key; gives it back when that changed something.
fn set(entries: &mut Entries, entry: v1::StateEntry) -> Option<v1::StateEntry> {
    if entries.get(&entry.key).is_some_and(|known| known.revision >= entry.revision) {
        return None;
    }
    match entry.body {
        Some(_) => {
            entries.insert(entry.key.clone(), entry.clone());
        }
        None => {
            entries.remove(&entry.key);
        }
    }
    Some(entry)
}

/// What became different, by rising revision; keys that are gone come without a value.
fn difference(before: &Entries, now: &Entries, same_epoch: bool) -> Vec<v1::StateEntry> {
    let gone = before.values().filter(|entry| !now.contains_key(&entry.key)).map(|entry| v1::StateEntry {
        key: entry.key.clone(),
        revision: entry.revision,
        ..v1::StateEntry::default()
    });
    let same = |entry: &v1::StateEntry| {
        let known = before.get(&entry.key);
        same_epoch && known.is_some_and(|known| known.revision == entry.revision)
    };
    let mut set: Vec<v1::StateEntry> = now.values().filter(|entry| !same(entry)).cloned().collect();
    set.sort_by_key(|entry| entry.revision);
    gone.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::state_entry::Body;

    use super::*;

    fn entry(key: &str, value: &str, revision: u64) -> v1::StateEntry {
        let body = (!value.is_empty()).then(|| Body::Text(value.into()));
        v1::StateEntry { key: key.into(), body, revision, ..v1::StateEntry::default() }
    }

    fn changes(entries: &[(&str, &str, u64)], reset: bool, complete: bool) -> v1::StateChanges {
        let entries = entries.iter().map(|(key, value, revision)| entry(key, value, *revision)).collect();
        v1::StateChanges { epoch: "e".into(), entries, reset, complete, ..v1::StateChanges::default() }
    }

    fn keys(news: &[v1::StateEntry]) -> Vec<(&str, bool)> {
        news.iter().map(|entry| (entry.key.as_str(), entry.body.is_some())).collect()
    }

    #[test]
    fn a_state_is_told_when_it_is_whole_also_when_it_is_empty() {
        let mut mirror = Mirror::default();
        assert_eq!(mirror.whole(), None);
        assert_eq!(mirror.take(changes(&[], true, true)), Some((vec![], true)));
        let mut mirror = Mirror::default();
        assert_eq!(mirror.take(changes(&[("a", "1", 1)], true, false)), None);
        let (news, first) = mirror.take(changes(&[("b", "2", 2)], false, true)).unwrap();
        assert_eq!((keys(&news), first), (vec![("a", true), ("b", true)], true));
    }

    #[test]
    fn changes_are_told_once_and_old_ones_never() {
        let mut mirror = Mirror::default();
        mirror.take(changes(&[("a", "1", 5)], true, true));
        assert_eq!(mirror.take(changes(&[("a", "0", 4)], false, true)), None);
        let (news, first) = mirror.take(changes(&[("a", "", 6)], false, true)).unwrap();
        assert_eq!((keys(&news), first), (vec![("a", false)], false));
        assert_eq!(mirror.whole(), Some(vec![]));
    }

    #[test]
    fn a_fresh_beginning_tells_only_what_is_different() {
        let mut mirror = Mirror::default();
        mirror.take(changes(&[("a", "1", 1), ("b", "2", 2), ("c", "3", 3)], true, true));
        assert_eq!(mirror.take(changes(&[("a", "1", 1)], true, false)), None);
        assert_eq!(mirror.whole().unwrap().len(), 3, "until it is whole the state is as it was");
        let (news, _) = mirror.take(changes(&[("c", "4", 4), ("d", "5", 5)], false, true)).unwrap();
        assert_eq!(keys(&news), [("b", false), ("c", true), ("d", true)]);
        assert_eq!(mirror.take(changes(&[("a", "1", 1), ("c", "4", 4), ("d", "5", 5)], true, true)), None);
    }

    #[test]
    fn in_another_epoch_revisions_begin_again() {
        let mut mirror = Mirror::default();
        mirror.take(changes(&[("a", "1", 9)], true, true));
        let other = v1::StateChanges { epoch: "f".into(), ..changes(&[("a", "2", 1)], true, true) };
        assert_eq!(keys(&mirror.take(other).unwrap().0), [("a", true)]);
        assert_eq!(mirror.whole().unwrap()[0].revision, 1);
    }
}

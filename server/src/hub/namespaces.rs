//! The namespaces that exist: those of the configuration, those made by the API, and those that a pattern admits,
//! which live while somebody is in them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use prometheus_client::metrics::gauge::Gauge;
use rialto_proto::v1::{NamespaceOrigin, RefusalCode};

use super::census::Page;
use crate::base::{
    config::{NamespaceConfig, NamespaceSettings},
    ids::NamespaceName,
    refusal::{Refusal, Retry},
};

/// One namespace.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: Arc<str>,
    /// Where it comes from.
    pub origin: NamespaceOrigin,
    /// What holds in it now.
    pub settings: ArcSwap<NamespaceSettings>,
    sessions: AtomicU32,
    shut: AtomicBool,
    pub(super) rooms: AtomicU32,
}

impl Namespace {
    fn new(name: &str, origin: NamespaceOrigin, settings: NamespaceSettings) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            origin,
            settings: ArcSwap::from_pointee(settings),
            sessions: AtomicU32::new(0),
            shut: AtomicBool::new(false),
            rooms: AtomicU32::new(0),
        })
    }

    /// How many sessions are in it.
    pub fn session_count(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// How many of its rooms have members.
    pub fn room_count(&self) -> u32 {
        self.rooms.load(Ordering::Relaxed)
    }
}

/// All namespaces of the node.
#[derive(Debug)]
pub struct Namespaces {
    live: RwLock<BTreeMap<Arc<str>, Arc<Namespace>>>,
    patterns: Vec<(String, NamespaceSettings)>,
    dynamic_max: u32,
    gauge: Gauge,
}

/// One session's place in a namespace: given back when dropped, unless kept.
#[derive(Debug)]
pub(super) struct Pin<'a> {
    namespaces: &'a Namespaces,
    namespace: Option<Arc<Namespace>>,
}

impl Pin<'_> {
    /// The namespace.
    pub(super) fn namespace(&self) -> Option<&Arc<Namespace>> {
        self.namespace.as_ref()
    }

    /// Holds on to the place until [`Namespaces::release`].
    pub(super) fn keep(mut self) {
        self.namespace = None;
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        if let Some(namespace) = self.namespace.take() {
            self.namespaces.release(&namespace.name);
        }
    }
}

impl Namespaces {
    /// The namespaces of the configuration; `dynamic_max` others may come.
    pub fn new(configured: &[NamespaceConfig], dynamic_max: u32, gauge: Gauge) -> Self {
        let mut live = BTreeMap::new();
        let mut patterns = Vec::new();
        for NamespaceConfig { name, settings } in configured {
            if let Some(prefix) = name.strip_suffix('*') {
                patterns.push((prefix.to_owned(), settings.clone()));
            } else {
                let namespace = Namespace::new(name, NamespaceOrigin::Config, settings.clone());
                live.insert(Arc::clone(&namespace.name), namespace);
            }
        }
        // The longest pattern that fits decides.
        patterns.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let namespaces = Self { live: RwLock::new(live), patterns, dynamic_max, gauge };
        namespaces.count(&namespaces.live.read());
        namespaces
    }

    /// The namespace of that name, when it exists.
    pub fn get(&self, name: &str) -> Option<Arc<Namespace>> {
        self.live.read().get(name).cloned()
    }

    /// The settings that hold, or would hold, in a namespace of that name.
    pub fn settings(&self, name: &str) -> Option<Arc<NamespaceSettings>> {
        let live = self.get(name).map(|namespace| namespace.settings.load_full());
        live.or_else(|| self.pattern(name).map(|settings| Arc::new(settings.clone())))
    }

    /// The first `max` of those namespaces that are `seen`, by name, after `after`.
    pub fn page(&self, after: &str, max: usize, seen: impl Fn(&Namespace) -> bool) -> Page<Arc<Namespace>> {
        let all: Vec<_> = self.live.read().values().cloned().collect();
        let seen: Vec<_> = all.into_iter().filter(|namespace| seen(namespace)).collect();
        let total = seen.len();
        let entries = seen.into_iter().filter(|namespace| *namespace.name > *after).collect();
        Page::of(entries, max, total)
    }

    /// The names of all.
    pub fn names(&self) -> Vec<String> {
        self.live.read().keys().map(ToString::to_string).collect()
    }

    /// Makes a namespace by the API.
    pub fn create(
        &self,
        name: &NamespaceName,
        settings: NamespaceSettings,
    ) -> Result<Arc<Namespace>, Refusal> {
        let mut live = self.live.write();
        if live.contains_key(name.as_str()) {
            return Err(Refusal::new(RefusalCode::AlreadyExists, "a namespace of that name exists"));
        }
        self.admit_one_more(&live)?;
        let namespace = Namespace::new(name.as_str(), NamespaceOrigin::Api, settings);
        live.insert(Arc::clone(&namespace.name), Arc::clone(&namespace));
        self.count(&live);
        Ok(namespace)
    }

    /// Makes or changes a namespace that all nodes have agreed on, also where clients have made as many as there may be.
    pub fn agree(&self, name: &NamespaceName, settings: NamespaceSettings) {
        let mut live = self.live.write();
        match live.get(name.as_str()) {
            Some(known) => known.settings.store(Arc::new(settings)),
            None => {
                let namespace = Namespace::new(name.as_str(), NamespaceOrigin::Api, settings);
                live.insert(Arc::clone(&namespace.name), namespace);
                self.count(&live);
            }
        }
    }

    /// Lets nobody in any more: the first step of deleting a namespace that is not of the configuration.
    pub fn shut(&self, name: &str) -> Result<(), Refusal> {
        let live = self.live.read();
        let namespace = live.get(name).ok_or_else(unknown)?;
        if namespace.origin == NamespaceOrigin::Config {
            return Err(Refusal::invalid("namespace", "belongs to the configuration"));
        }
        namespace.shut.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Removes a namespace that was shut, once nobody is in it any more. True when it is gone.
    pub fn remove_shut(&self, name: &str) -> bool {
        let mut live = self.live.write();
        match live.get(name) {
            Some(namespace) if namespace.shut.load(Ordering::SeqCst) && namespace.session_count() == 0 => {
                live.remove(name);
                self.count(&live);
                true
            }
            Some(namespace) => !namespace.shut.load(Ordering::SeqCst),
            None => true,
        }
    }

    /// Takes a place in the namespace, and brings it to life when a pattern admits it.
    pub(super) fn pin(&self, name: &str) -> Result<Pin<'_>, Refusal> {
        if let Some(namespace) = self.live.read().get(name) {
            return self.pin_live(namespace);
        }
        let settings = self.pattern(name).ok_or_else(unknown)?;
        let mut live = self.live.write();
        if !live.contains_key(name) {
            self.admit_one_more(&live)?;
            let namespace = Namespace::new(name, NamespaceOrigin::Pattern, settings.clone());
            live.insert(Arc::clone(&namespace.name), namespace);
            self.count(&live);
        }
        live.get(name).ok_or_else(unknown).and_then(|namespace| self.pin_live(namespace))
    }

    fn pin_live(&self, namespace: &Arc<Namespace>) -> Result<Pin<'_>, Refusal> {
        if namespace.shut.load(Ordering::SeqCst) {
            return Err(unknown());
        }
        namespace.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Pin { namespaces: self, namespace: Some(Arc::clone(namespace)) })
    }

    /// Gives a place back; a namespace that came by a pattern goes with its last session.
    pub(super) fn release(&self, name: &str) {
        let empty_pattern = |namespace: &Namespace| {
            namespace.origin == NamespaceOrigin::Pattern && namespace.session_count() == 0
        };
        let maybe_empty = self.live.read().get(name).is_some_and(|namespace| {
            namespace.sessions.fetch_sub(1, Ordering::SeqCst);
            empty_pattern(namespace)
        });
        if maybe_empty {
            let mut live = self.live.write();
            if live.get(name).is_some_and(|namespace| empty_pattern(namespace)) {
                live.remove(name);
                self.count(&live);
            }
        }
    }

    fn pattern(&self, name: &str) -> Option<&NamespaceSettings> {
        let fits = |(prefix, _): &&(String, NamespaceSettings)| name.starts_with(prefix.as_str());
        self.patterns.iter().find(fits).map(|(_, settings)| settings)
    }

    fn count(&self, live: &BTreeMap<Arc<str>, Arc<Namespace>>) {
        self.gauge.set(i64::try_from(live.len()).unwrap_or(i64::MAX));
    }

    fn admit_one_more(&self, live: &BTreeMap<Arc<str>, Arc<Namespace>>) -> Result<(), Refusal> {
        let dynamic = live.values().filter(|namespace| namespace.origin != NamespaceOrigin::Config).count();
        if dynamic >= self.dynamic_max as usize {
            return Err(Refusal::limit("namespaces_max", self.dynamic_max));
        }
        Ok(())
    }
}

/// Nothing of that name, and no pattern that admits it.
pub fn unknown() -> Refusal {
    let refusal = Refusal::new(RefusalCode::NamespaceUnknown, "there is no such namespace");
    Refusal { retry: Retry::AfterChange, field: "namespace", ..refusal }
}

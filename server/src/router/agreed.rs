//! Namespaces over several nodes: what is made, changed or deleted at run time on one node holds on all, and for nodes that come
//! later.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use prost::Message;
use rialto_proto::{
    node::{errand, errand_done},
    v1::{self, RefusalCode},
};
use tokio::time::sleep;

use super::{Router, others::unreachable_part};
use crate::{
    auth::Identity,
    base::{config::NamespaceSettings, ids::NamespaceName, refusal::Refusal},
    bridge::subjects::token,
    owners::RegisterError,
    wire::settings,
};

/// The wait before the register is watched again.
const WATCHED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a change is tried while others change the same.
const TRIES_MAX: usize = 16;

impl Router {
    /// Makes a namespace, on all nodes.
    pub async fn create_namespace(
        &self,
        identity: &Identity,
        request: v1::CreateNamespaceRequest,
    ) -> Result<v1::Namespace, Refusal> {
        let made = self.create_namespace_here(identity, request)?;
        let Some(register) = &self.namespace_register else { return Ok(made) };
        match register.write(&token(&made.namespace), stored(&made), 0).await {
            Ok(()) => {
                self.tell_agreed(token(&made.namespace)).await;
                Ok(made)
            }
            Err(RegisterError::Lost) => {
                Err(Refusal::new(RefusalCode::AlreadyExists, "a namespace of that name exists"))
            }
            Err(error) => {
                // Nobody else knows of it.
                self.delete_namespace_here(&made.namespace)?;
                Err(unreached(&error))
            }
        }
    }

    /// Changes a namespace, on all nodes.
    pub async fn update_namespace(
        &self,
        identity: &Identity,
        request: v1::UpdateNamespaceRequest,
    ) -> Result<v1::Namespace, Refusal> {
        let Some(register) = &self.namespace_register else {
            return self.update_namespace_here(identity, request);
        };
        for _ in 0..TRIES_MAX {
            // It is read before it is changed: what others write meanwhile is noticed.
            let key = token(&request.namespace);
            let (_, revision) = register.read(&key).await.map_err(|error| unreached(&error))?;
            let changed = self.update_namespace_here(identity, request.clone())?;
            match register.write(&key, stored(&changed), revision).await {
                Ok(()) => {
                    self.tell_agreed(key).await;
                    return Ok(changed);
                }
                Err(RegisterError::Lost) => drop(self.agree(&key).await?),
                Err(error) => return Err(unreached(&error)),
            }
        }
        Err(unreachable_part())
    }

    /// Deletes a namespace on all nodes; everyone in it is told that they have left. Returns how many they
    /// were.
    pub async fn delete_namespace(&self, identity: &Identity, name: String) -> Result<u32, Refusal> {
        let mut left = self.delete_namespace_as(identity, name.clone())?;
        if let Some(register) = &self.namespace_register {
            let key = token(&name);
            register.remove(&key).await.map_err(|error| unreached(&error))?;
            left += self.tell_agreed(key).await;
        }
        Ok(left)
    }

    /// Takes up what was made and changed before this node began.
    pub async fn learn_namespaces(&self) -> Result<(), RegisterError> {
        let Some(register) = &self.namespace_register else { return Ok(()) };
        for (_, stored) in register.all().await? {
            self.learn(&stored);
        }
        Ok(())
    }

    /// Follows what other nodes make, change and delete, until the node stops.
    pub async fn run_namespaces(self: Arc<Self>) {
        let Some(register) = &self.namespace_register else { return };
        let follow = async {
            loop {
                if let Ok(mut changes) = register.all_and_changes().await {
                    while let Some((key, stored)) = changes.next().await {
                        match stored {
                            Some(stored) => _ = self.learn(&stored),
                            None => {
                                let mut unlearned = self.unlearned.lock();
                                let left = self.unlearn(&key);
                                *unlearned = Some((key, left));
                            }
                        }
                    }
                }
                sleep(WATCHED_AGAIN_AFTER).await;
            }
        };
        tokio::select! {
            biased;
            () = self.tasks.stopping().cancelled() => {}
            () = follow => {}
        }
    }

    /// Has all nodes know of a change before it is answered. Those that do not answer will see it in the register. Returns how
    /// many sessions it has changed there.
    async fn tell_agreed(&self, key: String) -> u32 {
        let everywhere = self.everywhere(&errand::What::Agreed(key)).await;
        let changed = everywhere.answers.into_iter().filter_map(|done| match done.what {
            Some(errand_done::What::Reach(reach)) => Some(reach.changed),
            _ => None,
        });
        changed.sum()
    }

    /// Reads again what the register says of a namespace. Returns how many sessions had to leave it.
    pub(super) async fn agree(&self, key: &str) -> Result<u32, Refusal> {
        let Some(register) = &self.namespace_register else { return Ok(0) };
        let (stored, _) = register.read(key).await.map_err(|error| unreached(&error))?;
        if let Some(stored) = stored {
            return Ok(self.learn(&stored));
        }
        // It may have been seen in the register before it was told.
        let mut unlearned = self.unlearned.lock();
        let before = unlearned.take_if(|(known, _)| known == key).map_or(0, |(_, left)| left);
        Ok(before + self.unlearn(key))
    }

    /// A namespace is like that, wherever it was made so. What is stored is checked like what an operator says.
    fn learn(&self, stored: &Bytes) -> u32 {
        let Ok(v1::Namespace { namespace, settings, .. }) = v1::Namespace::decode(stored.clone()) else {
            tracing::warn!("the register of namespaces holds something else");
            return 0;
        };
        let change = settings.unwrap_or_default();
        let applied = settings::apply(&NamespaceSettings::default(), change, &self.limits);
        let (Ok(name), Ok(settings)) = (NamespaceName::try_from(namespace), applied) else {
            tracing::warn!("the register of namespaces holds what this node does not take");
            return 0;
        };
        self.hub.namespaces.agree(&name, settings);
        0
    }

    /// A namespace was deleted on another node. Returns how many sessions had to leave it here.
    fn unlearn(&self, key: &str) -> u32 {
        let known = self.hub.namespaces.names().into_iter().find(|name| token(name) == key);
        known.map_or(0, |name| self.delete_namespace_here(&name).unwrap_or_default())
    }
}

fn stored(namespace: &v1::Namespace) -> Bytes {
    let (namespace, settings) = (namespace.namespace.clone(), namespace.settings);
    v1::Namespace { namespace, settings, ..v1::Namespace::default() }.encode_to_vec().into()
}

fn unreached(error: &RegisterError) -> Refusal {
    tracing::warn!(%error, "the register of namespaces cannot be had");
    unreachable_part()
}

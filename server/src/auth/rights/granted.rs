//! What an identity may do, as nodes say it to each other: who asks is checked where what is asked for is.

use rialto_proto::node::{self, NamePattern};

use super::{GRANTS_MAX, Grant, Grants, Identity, ROOMS_PER_GRANT_MAX, RightSet};
use crate::base::pattern::Pattern;

impl Identity {
    /// What it may do. Who it is is not said.
    pub fn granted_there(&self) -> node::Granted {
        match &self.grants {
            Grants::Everything => node::Granted { everything: true, grants: Vec::new() },
            Grants::Only(grants) => {
                node::Granted { everything: false, grants: grants.iter().map(node::Grant::from).collect() }
            }
        }
    }

    /// Somebody on another node who may do that; `None` when it is more than anybody can be granted.
    pub fn of_granted(granted: node::Granted) -> Option<Self> {
        let node::Granted { everything, grants } = granted;
        let grants = match everything {
            true => Grants::Everything,
            false => {
                let within = |grant: &node::Grant| grant.rooms.len() <= ROOMS_PER_GRANT_MAX;
                if grants.len() > GRANTS_MAX || !grants.iter().all(within) {
                    return None;
                }
                Grants::Only(grants.into_iter().map(Grant::from).collect())
            }
        };
        Some(Self { grants, ..Self::open(None) })
    }
}

impl From<&Grant> for node::Grant {
    fn from(grant: &Grant) -> Self {
        Self {
            namespace: Some((&grant.namespace).into()),
            rooms: grant.rooms.iter().map(NamePattern::from).collect(),
            rights: grant.rights.0.into(),
        }
    }
}

impl From<node::Grant> for Grant {
    fn from(grant: node::Grant) -> Self {
        let rooms: Box<[Pattern]> = grant.rooms.into_iter().map(Pattern::from).collect();
        Self {
            namespace: grant.namespace.unwrap_or_default().into(),
            whole_namespace: rooms.iter().any(Pattern::is_all),
            rooms,
            // There are no more than 16.
            rights: RightSet(u16::try_from(grant.rights).unwrap_or_default()),
        }
    }
}

impl From<&Pattern> for NamePattern {
    fn from(pattern: &Pattern) -> Self {
        Self { text: pattern.text().to_owned(), open: pattern.is_open() }
    }
}

impl From<NamePattern> for Pattern {
    fn from(pattern: NamePattern) -> Self {
        Self::literal(pattern.text, pattern.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::Right, base::config::GrantConfig};

    #[test]
    fn somebody_may_do_the_same_on_another_node() {
        let grant = GrantConfig {
            namespace: "shop-*".into(),
            rooms: vec!["mail".into(), "import-{user}".into()],
            can: vec![Right::Work, Right::Enqueue],
        };
        let user = "a*".to_owned().try_into().unwrap();
        let here = Identity::granted(Some(user), None, &[grant]).unwrap();
        let there = Identity::of_granted(here.granted_there()).unwrap();
        for namespace in ["shop-1", "shop", "other"] {
            for queue in [None, Some("mail"), Some("import-a*"), Some("import-ab"), Some("import-a")] {
                for right in Right::ALL {
                    let asked = (right, namespace, queue);
                    assert_eq!(
                        there.may(right, namespace, queue),
                        here.may(right, namespace, queue),
                        "{asked:?}"
                    );
                }
            }
        }
        let open = Identity::of_granted(Identity::open(None).granted_there()).unwrap();
        assert!(open.may(Right::Admin, "any", None));
    }

    #[test]
    fn nobody_can_be_granted_more_than_by_a_token() {
        let grants = vec![node::Grant::default(); GRANTS_MAX + 1];
        assert!(Identity::of_granted(node::Granted { everything: false, grants }).is_none());
        assert!(!Identity::of_granted(node::Granted::default()).unwrap().may(Right::Work, "a", Some("b")));
    }
}

//! Where one scenario takes place: a node of its own behind a proxy, or two that are one, and what can happen to them.

use std::{net::SocketAddr, time::Duration};

use rialto_proto::v1;
use rialto_server::{auth::Right, base::config::Config};
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    cluster::Cluster,
    nats::NatsServer,
    node::TestNode,
    operator::Operator,
    proxied::ProxiedNode,
    proxy::{Direction, Proxy},
};
use serde_json::{Map, Value};

use crate::{scenario::Scenario, scripted::Scripted};

/// What there is behind the proxy.
enum Place {
    /// One node, with a folder.
    Alone(ProxiedNode),
    /// Nodes over NATS; clients reach the first of them.
    Together { nodes: Vec<TestNode>, proxy: Proxy, _nats: NatsServer },
    /// A server that says what it is told to.
    Scripted { server: Scripted, proxy: Proxy },
}

/// Where a scenario takes place.
pub(crate) struct Scene {
    place: Place,
    /// Leads to the node as well, and never misbehaves.
    beside: Proxy,
    tokens: bool,
}

impl Scene {
    /// Starts what the scenario wants.
    pub(crate) async fn start(scenario: &Scenario) -> Result<Self, String> {
        let (settings, tokens) = (scenario.node.clone(), scenario.tokens);
        overlaid(&Config::default(), &settings)?;
        let change = move |config: &mut Config| {
            if let Ok(changed) = overlaid(config, &settings) {
                *config = changed;
            }
            // Last, because secrets are not written where settings are laid over.
            if tokens {
                demand_tokens(config);
            }
        };
        let place = match scenario.nodes {
            _ if scenario.scripted => Place::scripted().await?,
            1 => Place::Alone(ProxiedNode::with(change).await),
            count => Place::together(count, change).await?,
        };
        let beside = Proxy::start(place.address()?).await.map_err(|error| error.to_string())?;
        Ok(Self { place, beside, tokens })
    }

    /// Ends it. Its addresses lead nowhere then, and are nobody else's as long as these are kept: clients that were not closed
    /// come back to them for a while.
    pub(crate) fn end(self) -> [Proxy; 2] {
        let proxy = match self.place {
            Place::Alone(place) => place.into_proxy(),
            Place::Together { proxy, .. } | Place::Scripted { proxy, .. } => proxy,
        };
        let proxies = [proxy, self.beside];
        for proxy in &proxies {
            proxy.refuse_new();
            proxy.reset_all();
        }
        proxies
    }

    /// Where clients connect to, through the proxy or beside it.
    pub(crate) fn url(&self, direct: bool) -> String {
        if direct { self.beside.url() } else { self.proxy().url() }
    }

    fn node(&self) -> Result<&TestNode, String> {
        self.place.node().ok_or_else(|| "there is no node".to_owned())
    }

    /// The server that says what it is told to.
    pub(crate) fn server(&self) -> Result<&Scripted, String> {
        match &self.place {
            Place::Scripted { server, .. } => Ok(server),
            _ => Err("the server is not scripted".to_owned()),
        }
    }

    fn proxy(&self) -> &Proxy {
        match &self.place {
            Place::Alone(place) => &place.proxy,
            Place::Together { proxy, .. } | Place::Scripted { proxy, .. } => proxy,
        }
    }

    /// A token that lets `user` do everything, for so long.
    pub(crate) fn token(user: &str, milliseconds: Option<u64>) -> String {
        let lifetime = milliseconds.map_or(AN_HOUR, Duration::from_millis);
        token(user, lifetime, vec![grant("*", &["*"], &Right::ALL)])
    }

    /// Whether nobody is let in without one.
    pub(crate) fn demands_tokens(&self) -> bool {
        self.tokens
    }

    /// Something happens to the network.
    pub(crate) fn network(&self, what: &str) -> Result<(), String> {
        let proxy = self.proxy();
        match what {
            "part" => {
                proxy.refuse_new();
                proxy.reset_all();
            }
            "heal" => proxy.heal(),
            "cut" => proxy.cut_all(),
            "reset" => proxy.reset_all(),
            "hold" => proxy.black_hole(),
            "hold-down" => proxy.all().half_open(Direction::Down),
            _ => return Err(format!("nobody knows how a network does {what:?}")),
        }
        Ok(())
    }

    /// Something happens to the node that clients reach.
    pub(crate) async fn node_does(&mut self, what: &str) -> Result<(), String> {
        match (what, &mut self.place) {
            ("restart", Place::Alone(place)) => place.restart().await,
            ("stop", Place::Together { nodes, proxy, .. }) if nodes.len() > 1 => {
                let first = nodes.remove(0);
                proxy.forward_to(nodes[0].address());
                first.stop().await;
            }
            _ => return Err(format!("nobody knows how a node does {what:?} here")),
        }
        self.beside.forward_to(self.place.address()?);
        Ok(())
    }

    /// An operator does something to the sessions of a user.
    pub(crate) async fn operator(&self, verb: &str, arguments: &Map<String, Value>) -> Result<(), String> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
        let target = v1::Target { users: vec![text("user").to_owned()], ..v1::Target::default() };
        let mut operator = self.an_operator().await?;
        let changed = match verb {
            "join" => operator.join(target, &[text("room")]).await.map(|(changed, _)| changed),
            "part" => operator.part(target, &[text("room")]).await,
            "disconnect" => operator.disconnect(target, text("reason"), then(text("then"))?).await,
            _ => return Err(format!("nobody knows how an operator does {verb:?}")),
        };
        match changed {
            Ok(0) => Err("it changed nobody".to_owned()),
            Ok(_) => Ok(()),
            Err(status) => Err(status.to_string()),
        }
    }

    async fn an_operator(&self) -> Result<Operator, String> {
        let node = self.node()?;
        if !self.tokens {
            return Ok(node.operator().await);
        }
        Ok(node.operator_with(&Self::token("operator", None)).await)
    }
}

impl Place {
    /// The node that clients reach.
    fn node(&self) -> Option<&TestNode> {
        match self {
            Self::Alone(place) => Some(place.node()),
            Self::Together { nodes, .. } => nodes.first(),
            Self::Scripted { .. } => None,
        }
    }

    fn address(&self) -> Result<SocketAddr, String> {
        match self {
            Self::Scripted { server, .. } => Ok(server.address),
            _ => self.node().map(TestNode::address).ok_or_else(|| "there is no node".to_owned()),
        }
    }

    async fn scripted() -> Result<Self, String> {
        let server = Scripted::start().await?;
        let proxy = Proxy::start(server.address).await.map_err(|error| error.to_string())?;
        Ok(Self::Scripted { server, proxy })
    }

    async fn together(count: usize, change: impl Fn(&mut Config)) -> Result<Self, String> {
        let nats = NatsServer::start().await;
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Cluster::node(&nats, &change).await);
        }
        let first = nodes.first().ok_or("a place without nodes")?;
        let proxy = Proxy::start(first.address()).await.map_err(|error| error.to_string())?;
        Ok(Self::Together { nodes, proxy, _nats: nats })
    }
}

fn then(what: &str) -> Result<v1::Then, String> {
    match what {
        "resume" => Ok(v1::Then::Resume),
        "reconnect" => Ok(v1::Then::Reconnect),
        "stay" | "" => Ok(v1::Then::Unspecified),
        _ => Err(format!("nobody knows what {what:?} tells a client to do")),
    }
}

/// The configuration with settings of a scenario in the place of its own.
fn overlaid(config: &Config, settings: &Map<String, Value>) -> Result<Config, String> {
    let mut all = serde_json::to_value(config).map_err(|error| error.to_string())?;
    lay_over(&mut all, &Value::Object(settings.clone()));
    serde_json::from_value(all).map_err(|error| format!("the settings of the node: {error}"))
}

/// Puts a value over another one: tables key by key, all else in its place.
pub(crate) fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, above) in above {
                lay_over(below.entry(key.clone()).or_insert(Value::Null), above);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

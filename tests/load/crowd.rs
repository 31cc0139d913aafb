//! `rialto-load crowd`: one room with a million members on a hundred nodes, in one process. Routers, hubs, bridges, sessions
//! and outboxes are the real ones; between the nodes is the network in memory of the simulations, and members have no
//! sockets: what it costs to write to them is measured by the fan-out benchmark, what it takes until it is in their
//! outboxes is measured here. Ends with an error when a member has not got everything, or a node hears more than it must.

use std::{fs, ops::Sub, time::Duration};

use futures_util::FutureExt;
use rialto_proto::v1::{
    Content, Emit, Enter, Hello, Join, Part, Target, client_frame::Command, content::Body,
};
use rialto_server::{
    base::{
        clock,
        config::{Config, NamespaceConfig},
        tasks::Tasks,
    },
    bridge::simulated::SimulatedNetwork,
};
use tokio::{task::yield_now, time::sleep};

use crate::{
    Failure,
    crowd_node::{CrowdNode, NAMESPACE, timed},
    member::{ROOM, payload},
    say,
};

/// Events that are said, a second apart.
const EVENTS: u64 = 5;
/// Longer than anything is on its way, and than nodes need to know each other.
const SETTLE: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
/// Seconds of which is taken what nodes cost while nothing is said.
const QUIET: u32 = 5;
/// Members that come one after the other before somebody else may do something.
const AT_ONCE: usize = 100;
/// Members of each node that come and go.
const RESTLESS: usize = 20;
const WAITS: &str = "a member had to wait";

/// Measures a room with so many members on so many nodes; one more node has none.
pub(crate) fn run(members: usize, nodes: usize, of_a_user: u32) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(crowd(members, nodes, &config(of_a_user)))
}

async fn crowd(members: usize, count: usize, config: &Config) -> Result<(), Failure> {
    let (network, tasks) = (SimulatedNetwork::default(), Tasks::default());
    tasks.spawn("network", network.clone().run());
    // The last one has no members.
    let nodes = (0..=count).map(|_| CrowdNode::start(config, &network)).collect::<Result<Vec<_>, _>>();
    let mut nodes = nodes?;
    sleep(SETTLE).await;
    if let Some(alone) = nodes.iter().find(|node| node.metrics.nodes.get() != count as i64) {
        return Err(format!("a node knows {} others of {count}", alone.metrics.nodes.get()).into());
    }
    gather(&mut nodes[..count], members).await?;
    let quiet = quiet(&nodes).await?;
    come_and_go(&nodes).await?;
    speak(&nodes, members, &quiet).await
}

/// As shipped, but that so many may come at once, and how many sessions a user may have; 0 is without bound.
fn config(of_a_user: u32) -> Config {
    let mut config = Config::default();
    let limits = &mut config.limits.node;
    (limits.hellos_per_second, limits.rooms_created_per_minute) = (u32::MAX, u32::MAX);
    limits.sessions_per_user_max = of_a_user;
    config.namespaces.push(NamespaceConfig::named(NAMESPACE));
    config
}

/// All members come.
async fn gather(nodes: &mut [CrowdNode], members: usize) -> Result<(), Failure> {
    let (count, before, mut spent) = (nodes.len(), resident()?, Duration::ZERO);
    // The first of each node makes it listen, and ask the others.
    let said = |nodes: &[CrowdNode]| -> u64 {
        nodes.iter().map(Sample::of).map(|sample| sample.said + sample.said_beside).sum()
    };
    let (begin, silent) = (clock::now(), said(nodes));
    for (at, node) in nodes.iter_mut().enumerate() {
        node.admit(at).await?;
    }
    sleep(SETTLE).await;
    let announced = count as u64 * begin.elapsed().as_secs();
    let first = (said(nodes) - silent).saturating_sub(announced) as f64 / count as f64;
    say(&format!("the first member on a node: about {first:.0} messages between nodes"))?;
    let mut served: usize = nodes.iter().map(|node| node.welcome(0)).sum::<Result<_, _>>()?;
    for (batch, from) in (count..members).step_by(AT_ONCE).enumerate() {
        let (node, numbers) = (&mut nodes[batch % count], from..(from + AT_ONCE).min(members));
        let known = node.sessions.len();
        // Nothing is waited for: a node that listens already takes a member at once.
        let (welcomed, took) = timed(|| {
            let admit = |number| node.admit(number).now_or_never().unwrap_or(Err(WAITS.into()));
            numbers.into_iter().try_for_each(admit)?;
            node.welcome(known)
        });
        (served, spent) = (served + welcomed?, spent + took);
        yield_now().await;
    }
    if served != members {
        return Err(format!("{served} of {members} are in the room").into());
    }
    sleep(SETTLE).await;
    say(&format!(
        "{members} members of one room came to {count} nodes: {:.1} µs of CPU and {:.2} KiB for each, without a connection",
        spent.as_secs_f64() * 1e6 / members.saturating_sub(count).max(1) as f64,
        resident()?.saturating_sub(before) as f64 / members as f64,
    ))
}

/// What nodes do in a second in which nothing is said: CPU time of each.
async fn quiet(nodes: &[CrowdNode]) -> Result<Vec<Duration>, Failure> {
    let before: Vec<_> = nodes.iter().map(Sample::of).collect();
    sleep(SECOND * QUIET).await;
    let all: Vec<Sample> =
        nodes.iter().map(Sample::of).zip(before).map(|(now, before)| now - before).collect();
    let each = |what: fn(&Sample) -> u64| {
        all.iter().map(what).sum::<u64>() as f64 / f64::from(QUIET) / all.len() as f64
    };
    let cpu: Duration = all.iter().map(|sample| sample.hearing).sum();
    say(&format!(
        "nothing is said: each node says {:.2} messages to the room and {:.2} beside it in a second, hears {:.0} and {:.0} \
         ({:.0} bytes), and takes {:.0} µs of CPU for what it hears",
        each(|sample| sample.said),
        each(|sample| sample.said_beside),
        each(|sample| sample.heard),
        each(|sample| sample.heard_beside),
        each(|sample| sample.bytes),
        cpu.as_secs_f64() * 1e6 / f64::from(QUIET) / all.len() as f64,
    ))?;
    Ok(all.iter().map(|sample| sample.hearing / QUIET).collect())
}

/// Some members of each node part and join again and again: what it costs the others that a large room's number changes.
async fn come_and_go(nodes: &[CrowdNode]) -> Result<(), Failure> {
    let before: Vec<_> = nodes.iter().map(Sample::of).collect();
    let rooms = || vec![ROOM.to_owned()];
    for _ in 0..QUIET {
        for node in nodes {
            for session in node.sessions.iter().take(RESTLESS) {
                let part = Part { namespace: NAMESPACE.into(), rooms: rooms() };
                node.say(session, Command::Part(part));
                let join = Join { namespace: NAMESPACE.into(), rooms: rooms(), ..Join::default() };
                node.say(session, Command::Join(join));
            }
        }
        sleep(SECOND).await;
        nodes.iter().try_for_each(|node| node.drain(0).map(drop))?;
    }
    let all: Vec<Sample> =
        nodes.iter().map(Sample::of).zip(before).map(|(now, before)| now - before).collect();
    let count = (nodes.len() - 1) as f64 * f64::from(QUIET);
    let each = |what: fn(&Sample) -> u64| all[..all.len() - 1].iter().map(what).sum::<u64>() as f64 / count;
    let cpu: Duration = all[..all.len() - 1].iter().map(|sample| sample.hearing).sum();
    sleep(SETTLE).await;
    say(&format!(
        "{RESTLESS} members of each node part and join again in a second: each node says {:.2} messages to the room, hears \
         {:.1}, and takes {:.0} µs of CPU for all that it hears",
        each(|sample| sample.said),
        each(|sample| sample.heard),
        cpu.as_secs_f64() * 1e6 / count,
    ))
}

/// Somebody on the first node says something to all, time and again.
async fn speak(nodes: &[CrowdNode], members: usize, quiet: &[Duration]) -> Result<(), Failure> {
    let speaker = nodes[0].open(Hello { user: "sender".into(), ..Hello::default() }).await?;
    nodes[0].say(&speaker, Command::Enter(Enter { namespace: NAMESPACE.into() }));
    sleep(SETTLE).await;
    let (mut saying, mut hearing, mut draining) = (Vec::new(), vec![Vec::new(); nodes.len()], Vec::new());
    for event in 0..EVENTS {
        let before: Vec<_> = nodes.iter().map(Sample::of).collect();
        let ((), took) = timed(|| nodes[0].say(&speaker, Command::Emit(emit(event))));
        saying.push(took);
        sleep(SECOND).await;
        let after: Vec<Sample> =
            nodes.iter().map(Sample::of).zip(before).map(|(now, before)| now - before).collect();
        check(&after, members)?;
        for ((times, sample), quiet) in hearing.iter_mut().zip(&after).zip(quiet) {
            times.push(sample.hearing.saturating_sub(*quiet));
        }
        let (served, took) = timed(|| nodes.iter().map(|node| node.drain(0)).sum::<Result<usize, _>>());
        if served? != members {
            return Err("a member has not got an event".into());
        }
        draining.push(took);
    }
    let hearers = &mut hearing[1..nodes.len() - 1];
    let mut typical: Vec<Duration> = hearers.iter_mut().map(|times| median(times)).collect();
    let (slowest, middle) = (typical.iter().copied().max().unwrap_or_default(), median(&mut typical));
    let (said, drained) = (median(&mut saying), median(&mut draining));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let each = |time: Duration, members: usize| time.as_secs_f64() * 1e9 / members as f64;
    let here = members / (nodes.len() - 1);
    say(&format!(
        "one event: 1 message to NATS, {} from it, none to the node without members; {:.2} ms of CPU at the node where it is \
         said, which has {here} members too; {:.2} ms at the others ({:.0} ns a member), {:.2} ms at the slowest; taking it \
         from the outboxes {:.0} ns a member",
        nodes.len() - 2,
        ms(said),
        ms(middle),
        each(middle, here),
        ms(slowest),
        each(drained, members),
    ))
}

/// Holds when the event that was said was one message, was heard once by each node with members, and has reached them all.
fn check(nodes: &[Sample], members: usize) -> Result<(), Failure> {
    let last = nodes.len() - 1;
    let one = nodes[0].said == 1 && nodes[1..last].iter().all(|node| node.said == 0 && node.heard == 1);
    let reached: u64 = nodes.iter().map(|node| node.deliveries).sum();
    if one && nodes[last].heard == 0 && reached == members as u64 {
        return Ok(());
    }
    Err(format!("an event went wrong: it has reached {reached} of {members}; {nodes:?}").into())
}

fn emit(event: u64) -> Emit {
    let content = Content { event: "e".into(), body: Some(Body::Text(payload(event))), ..Content::default() };
    let target = Target { rooms: vec![ROOM.into()], ..Target::default() };
    Emit { namespace: NAMESPACE.into(), target: Some(target), content: Some(content), ..Emit::default() }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// KiB that this process has in memory.
fn resident() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("/proc/self/status is short")?;
    Ok(line.split_whitespace().nth(1).ok_or("VmRSS has no value")?.parse()?)
}

/// What a node has done so far.
#[derive(Debug, Clone, Copy)]
struct Sample {
    said: u64,
    said_beside: u64,
    heard: u64,
    heard_beside: u64,
    /// Bytes of all that was heard.
    bytes: u64,
    deliveries: u64,
    hearing: Duration,
}

impl Sample {
    fn of(node: &CrowdNode) -> Self {
        let counts = &node.counts;
        let (heard, heard_beside) = (counts.heard.read(), counts.heard_beside.read());
        Self {
            said: counts.said.read().0,
            said_beside: counts.said_beside.read().0,
            heard: heard.0,
            heard_beside: heard_beside.0,
            bytes: heard.1 + heard_beside.1,
            deliveries: node.metrics.deliveries.get(),
            hearing: node.hearing(),
        }
    }
}

impl Sub for Sample {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            said: self.said - before.said,
            said_beside: self.said_beside - before.said_beside,
            heard: self.heard - before.heard,
            heard_beside: self.heard_beside - before.heard_beside,
            bytes: self.bytes - before.bytes,
            deliveries: self.deliveries - before.deliveries,
            hearing: self.hearing - before.hearing,
        }
    }
}

//! Three nodes and three nats-servers, each on a machine of its own, that are killed, halted, and replaced one after the other
//! while clients on all nodes speak and listen. What was acknowledged is there, in one order for all; what is missing is told;
//! and whoever is at a node that lives goes on writing.

use rand::{RngExt, rngs::StdRng, seq::SliceRandom};
use rialto_tests::{
    lan::{Fault, GAP_MAX, GHOSTS_MAX, LAN_CLIENTS, NODES, Together, Trouble},
    reliability::{Seed, pass_over},
};

/// What happens, in an order by chance: ten kills, eight of them two at a time, and what hangs.
fn faults(rng: &mut StdRng) -> Vec<Fault> {
    let mut any = || rng.random_range(..NODES);
    let mut faults = vec![
        Fault::NodeKilled(any()),
        Fault::LeaderKilled,
        Fault::BothKilled(any()),
        Fault::BothKilled(any()),
        Fault::BothKilled(any()),
        Fault::BothKilled(any()),
        Fault::NodeHalted(any()),
        Fault::LeaderHalted,
    ];
    faults.shuffle(rng);
    faults
}

#[test]
fn nothing_is_lost_when_nodes_and_servers_of_nats_are_killed_halted_and_replaced() {
    let lan = match Together::machines() {
        Ok(lan) => lan,
        Err(missing) => return pass_over("a cluster whose machines die", &missing),
    };
    let seed = Seed::of("cluster_lan_kills");
    lan.inside(LAN_CLIENTS, async || {
        let mut trouble = Trouble::start(&lan, seed).await;
        for fault in faults(&mut seed.rng(1)) {
            trouble.meet(fault).await;
        }
        for number in 0..NODES {
            trouble.meet(Fault::ServerReplaced(number)).await;
            trouble.meet(Fault::NodeReplaced(number)).await;
        }
        let (counts, measured) = trouble.end().await;
        let deaths = measured.iter().filter(|one| one.haunted.is_some()).count() as u64;
        assert!(counts.afresh >= deaths && counts.resumed > 0, "too little has happened: {counts:?}");
        for one in measured {
            assert!(!one.fault.is_of_a_node() || one.gap <= GAP_MAX, "{one:?}");
            assert!(one.haunted.is_none_or(|haunted| haunted <= GHOSTS_MAX), "{one:?}");
        }
    });
}

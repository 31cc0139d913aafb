//! Three nodes and three nats-servers, each on a machine of its own, whose network is cut while clients on all nodes speak and
//! listen: nodes from servers, servers from each other, one way and both ways. What was acknowledged is there, in one order for
//! all; what is missing is told; and whoever is at a node that reaches most of NATS goes on writing.

use rand::{RngExt, rngs::StdRng, seq::SliceRandom};
use rialto_tests::{
    lan::{Fault, GAP_MAX, LAN_CLIENTS, NODES, Together, Trouble},
    reliability::{Seed, pass_over},
};

/// The ways in which the network may be cut, in an order by chance.
fn faults(rng: &mut StdRng) -> Vec<Fault> {
    let is_deaf = rng.random();
    let mut any = || rng.random_range(..NODES);
    let mut faults = vec![
        Fault::NodeCutOff(any()),
        Fault::NodeDeaf(any()),
        Fault::NodeMute(any()),
        Fault::ServerCutOff(any()),
        if is_deaf { Fault::ServerDeaf(any()) } else { Fault::ServerMute(any()) },
        Fault::BothCutOff(any()),
    ];
    faults.shuffle(rng);
    faults
}

#[test]
fn nothing_is_lost_and_everybody_agrees_when_the_network_is_cut_one_way_and_both_ways() {
    let lan = match Together::machines() {
        Ok(lan) => lan,
        Err(missing) => return pass_over("a cluster whose network is cut", &missing),
    };
    let seed = Seed::of("cluster_lan_partitions");
    lan.inside(LAN_CLIENTS, async || {
        let mut trouble = Trouble::start(&lan, seed).await;
        for fault in faults(&mut seed.rng(1)) {
            trouble.meet(fault).await;
        }
        let (counts, measured) = trouble.end().await;
        assert!(counts.missed > 0, "too little has happened: {counts:?}");
        for one in measured {
            assert!(!one.fault.is_of_a_node() || one.gap <= GAP_MAX, "{one:?}");
        }
    });
}

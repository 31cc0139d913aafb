//! What a worker says of its jobs, and when.

use rialto_proto::v1::{JobCompleted, JobFailed, JobProgress};

use super::*;

fn lease(token: &str) -> Lease {
    Lease { token: token.to_owned(), job_id: format!("job {token}"), ..Lease::default() }
}

fn completed() -> Outcome {
    Outcome::Completed(JobCompleted::default())
}

fn answer(request: &SettleRequest, outcome: LeaseOutcome) -> SettleResponse {
    let outcomes = request.items.iter().map(|_| outcome.into()).collect();
    SettleResponse { request_id: request.request_id, outcomes }
}

#[test]
fn a_job_that_comes_again_is_not_begun_again() {
    let mut working = Working::default();
    assert_eq!(working.leased(vec![lease("a")]).len(), 1);
    assert_eq!(working.leased(vec![lease("a"), lease("b")]).len(), 1);
    working.done("a", completed());
    assert_eq!(working.leased(vec![lease("a")]).len(), 0, "it is done, and that is not confirmed");
}

#[test]
fn what_became_of_a_job_is_said_again_until_it_is_confirmed() {
    let mut working = Working::default();
    working.leased(vec![lease("a")]);
    working.done("a", completed());
    let (_, first) = working.settlements().unwrap();
    assert_eq!(working.settlements(), None);
    working.disconnected();
    let (_, second) = working.settlements().unwrap();
    assert_eq!(first.items, second.items);
    working.settled(&answer(&first, LeaseOutcome::Ok));
    assert!(!working.is_done(), "that answer was for the stream before");
    working.settled(&answer(&second, LeaseOutcome::Temporary));
    assert_eq!(working.settlements(), None, "not at once");
    working.extensions(false);
    let (_, third) = working.settlements().unwrap();
    working.settled(&answer(&third, LeaseOutcome::Ok));
    assert!(working.is_done());
}

#[test]
fn a_result_that_the_server_does_not_take_fails_the_job_for_good() {
    let mut working = Working::default();
    working.leased(vec![lease("a")]);
    working.done("a", completed());
    let (_, request) = working.settlements().unwrap();
    working.settled(&answer(&request, LeaseOutcome::Invalid));
    let (_, again) = working.settlements().unwrap();
    assert!(matches!(&again.items[0].outcome, Some(Outcome::Failed(failed)) if failed.permanent));
    working.settled(&answer(&again, LeaseOutcome::Invalid));
    assert!(working.is_done());
}

#[test]
fn a_job_whose_lease_is_lost_is_cancelled_and_nothing_is_said_of_it() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    let request = working.extensions(false).remove(0);
    let outcomes = vec![LeaseOutcome::LeaseLost.into()];
    working.extended(&ExtendResponse {
        request_id: request.request_id,
        outcomes,
        cancelling: Vec::new(),
        pausing: Vec::new(),
    });
    assert!(*assignment.wanted.borrow() == Wanted::LeaseLost);
    assert_eq!(working.told(), [Told::LeaseLost("job a".into())]);
    working.done("a", completed());
    assert!(working.is_done());
    let (_, other) = working.leased(vec![lease("b")]).remove(0);
    working.reconnected(false);
    assert!(*other.wanted.borrow() == Wanted::LeaseLost);
}

#[test]
fn a_checkpoint_that_may_not_have_arrived_is_sent_again_unless_there_is_a_newer_one() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    assignment.said.checkpoint("1".into());
    assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"1"[..]));
    assert_eq!(working.extensions(true), []);
    working.disconnected();
    assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"1"[..]));
    assignment.said.checkpoint("2".into());
    working.disconnected();
    assert_eq!(working.extensions(true)[0].items[0].checkpoint.as_deref(), Some(&b"2"[..]));
}

#[test]
fn what_a_failing_job_has_left_is_said_before_its_failure() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    assignment.said.checkpoint("1".into());
    working.done("a", Outcome::Failed(JobFailed::default()));
    let (last, settle) = working.settlements().unwrap();
    assert_eq!(last.unwrap().items[0].checkpoint.as_deref(), Some(&b"1"[..]));
    assert_eq!(settle.items.len(), 1);
}

#[test]
fn no_request_is_larger_than_the_server_takes() {
    let mut working = Working::default();
    for n in 0..20 {
        let token = n.to_string();
        working.leased(vec![lease(&token)]);
        let body = Some(rialto_proto::v1::job_body::Body::Binary(vec![0; 64 << 10].into()));
        let result = Some(rialto_proto::v1::JobBody { body, ..Default::default() });
        working.done(&token, Outcome::Completed(JobCompleted { result }));
    }
    let mut count = 0;
    while let Some((_, settle)) = working.settlements() {
        assert!(settle.encoded_len() < 1 << 20);
        count += settle.items.len();
    }
    assert_eq!(count, 20);
    for n in 100..1_200 {
        working.leased(vec![lease(&n.to_string())]);
    }
    let extended: usize = working.extensions(false).iter().map(|request| request.items.len()).sum();
    assert_eq!(extended, 1_100);
}

/// The answer to an extension of some leases.
fn extended(request: &ExtendRequest, outcome: LeaseOutcome) -> ExtendResponse {
    let outcomes = request.items.iter().map(|_| outcome.into()).collect();
    ExtendResponse { request_id: request.request_id, outcomes, ..ExtendResponse::default() }
}

fn progress(done: u64) -> JobProgress {
    JobProgress { done, ..JobProgress::default() }
}

#[test]
fn progress_that_may_not_have_arrived_goes_again_unless_there_is_something_newer() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    assignment.said.progress(progress(1));
    let first = working.extensions(true).remove(0);
    working.extended(&extended(&first, LeaseOutcome::Temporary));
    let second = working.extensions(false).remove(0);
    assert_eq!(second.items[0].progress, Some(progress(1)));
    assignment.said.progress(progress(2));
    let third = working.extensions(true).remove(0);
    working.disconnected();
    let fourth = working.extensions(false).remove(0);
    assert_eq!((third.items[0].progress.clone(), fourth.items), (Some(progress(2)), third.items));
}

#[test]
fn what_the_server_does_not_take_is_told_and_the_lease_is_extended_without_it() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    assignment.said.progress(progress(1));
    let first = working.extensions(true).remove(0);
    working.extended(&extended(&first, LeaseOutcome::Invalid));
    assert_eq!(working.told(), [Told::Refused { id: "job a".into(), outcome: false }]);
    let second = working.extensions(true).remove(0);
    assert_eq!(second.items, [Extension { token: "a".into(), ..Extension::default() }]);
    working.extended(&extended(&second, LeaseOutcome::Ok));
    assert_eq!(working.extensions(true), []);
}

#[test]
fn a_job_whose_lease_is_lost_takes_its_room_until_it_returns() {
    let mut working = Working::default();
    working.leased(vec![lease("a"), lease("b")]);
    assert!(working.begin("a"));
    working.reconnected(false);
    assert_eq!(working.lost(), 1, "the other one has not begun");
    assert!(!working.begin("b"), "nor does it");
    working.done("a", completed());
    assert_eq!(working.lost(), 0);
    assert!(working.is_done());
}

#[test]
fn cancelling_counts_more_than_pausing_and_a_lost_lease_more_than_both() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    working.want("a", Wanted::Cancelled);
    working.want("a", Wanted::Paused);
    assert_eq!(*assignment.wanted.borrow(), Wanted::Cancelled);
    working.reconnected(false);
    assert_eq!(*assignment.wanted.borrow(), Wanted::LeaseLost);
}

#[test]
fn what_a_worker_gives_up_is_told_so_and_nothing_is_said_of_it() {
    let mut working = Working::default();
    let (_, assignment) = working.leased(vec![lease("a")]).remove(0);
    working.give_up();
    assert_eq!(*assignment.wanted.borrow(), Wanted::Closed);
    working.done("a", completed());
    assert!(working.is_done() && working.settlements().is_none());
}

#[test]
fn an_outcome_that_is_unknown_or_missing_is_no_word_about_its_neighbour() {
    let mut working = Working::default();
    working.leased(vec![lease("a"), lease("b"), lease("c")]);
    ["a", "b", "c"].iter().for_each(|token| working.done(token, completed()));
    let (_, request) = working.settlements().unwrap();
    let outcomes = vec![4711, LeaseOutcome::Ok.into()];
    working.settled(&SettleResponse { request_id: request.request_id, outcomes });
    assert_eq!(working.settlements(), None, "not at once");
    working.extensions(false);
    let (_, again) = working.settlements().unwrap();
    let tokens: Vec<&str> = again.items.iter().map(|item| item.token.as_str()).collect();
    assert_eq!(tokens, ["a", "c"], "those of which nothing was said are said again");
}

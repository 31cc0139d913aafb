//! Telling rooms what becomes of jobs.

use std::sync::Arc;

use rialto_proto::v1::{Content, JobNotify, PublishRequest, RefusalCode, Target, content::Body};

use super::rounds::Rounds;

use crate::{
    auth::Identity,
    base::refusal::{Refusal, Retry},
    jobs::{Notice, Shard, is_live},
    router::Router,
    wire::{
        command::Emit,
        job_json::{event_name, job_json},
    },
};

impl Router {
    /// Tells rooms what becomes of jobs.
    pub(super) async fn run_notices(&self, shard: &Arc<Shard>) {
        let mut rounds = Rounds::new();
        loop {
            let notices = shard.notices(rounds.after).await;
            // Those on their way are told once, in no round.
            let ended = notices.iter().rfind(|notice| !is_live(notice.job.state()));
            let last = ended.map(|notice| notice.seq);
            for notice in notices {
                rounds.note(self.tell_of_job(shard, notice).await);
            }
            rounds.go_on(last).await;
        }
    }

    /// Tells of one job. Whether that is done with.
    async fn tell_of_job(&self, shard: &Arc<Shard>, notice: Notice) -> bool {
        for notify in &notice.notify {
            match self.tell_room(shard.number, &notice, notify).await {
                Ok(()) => {}
                Err(refusal)
                    if refusal.retry != Retry::Never && refusal.code != RefusalCode::NamespaceUnknown =>
                {
                    return false;
                }
                Err(refusal) => {
                    tracing::warn!(job = notice.job.job_id, room = notify.room, %refusal, "a room is not told of a job");
                }
            }
        }
        let noted = shard.ask(|engine, now| engine.notified(now, &notice));
        noted.is_ok()
    }

    async fn tell_room(&self, shard: u32, notice: &Notice, notify: &JobNotify) -> Result<(), Refusal> {
        match self.publish_notice(shard, notice, notify, job_json(&notice.job)).await {
            Err(refusal) if refusal.code == RefusalCode::PayloadTooLarge => {
                let mut job = notice.job.clone();
                job.result = None;
                self.publish_notice(shard, notice, notify, job_json(&job)).await
            }
            told => told,
        }
    }

    async fn publish_notice(
        &self,
        shard: u32,
        notice: &Notice,
        notify: &JobNotify,
        text: String,
    ) -> Result<(), Refusal> {
        let event = event_name(notice.job.state());
        let namespace = if notify.namespace.is_empty() { &notice.job.namespace } else { &notify.namespace };
        let content = Content {
            event: event.clone(),
            body: Some(Body::Text(text)),
            content_type: "application/json".to_owned(),
            ..Content::default()
        };
        let request = PublishRequest {
            namespace: namespace.clone(),
            target: Some(Target { rooms: vec![notify.room.clone()], ..Target::default() }),
            content: Some(content),
            // Told again after a crash it is the same event; a job that was redriven ends anew.
            idempotency_key: format!("{event}-{shard}-{}-{}", notice.seq.0, notice.job.deliveries),
            ..PublishRequest::default()
        };
        let emit = Emit::publish(request, &self.limits.session)?;
        // Whoever put the job in was allowed to.
        self.publish(&Identity::open(None), emit)?.outcome().await.map(drop)
    }
}

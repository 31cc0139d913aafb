//! Jobs as programs hand them over that speak NATS and not Rialto, and what they hear of jobs. Pure.
//!
//! * `rl.<cluster>.enqueue.<namespace>.<queue>`: what is published there is a job in the queue
//! * `rl.<cluster>.jobs.events.<namespace>.<queue>`: what becomes of its jobs is published there

use std::str::FromStr;

use rialto_proto::v1::{EnqueueRequest, JobBody, NewJob, content::Body, job_body, new_job::Start};

use super::plain::{self, Plain};

/// The subject of everything that programs hand over.
pub fn all_enqueued(cluster: &str) -> String {
    format!("rl.{cluster}.enqueue.*.*")
}

/// What a program asks for by a message: a job in a queue. The rest is checked where every job is.
///
/// *Errors*: what of the message cannot be read, and why.
pub fn enqueue(message: Plain) -> Result<EnqueueRequest, (&'static str, &'static str)> {
    let (namespace, queue) = plain::names(&message.subject)?;
    let mut job = NewJob::default();
    let mut content_type = String::new();
    for (name, value) in message.headers {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value,
            "nats-msg-id" => job.job_id = value,
            "rialto-type" => job.r#type = value,
            "rialto-priority" => job.priority = number(&value)?,
            "rialto-fairness-key" => job.fairness_key = value,
            "rialto-ordering-key" => job.ordering_key = value,
            "rialto-unique-key" => job.unique_key = value,
            "rialto-batch" => job.batch_id = value,
            "rialto-delay-seconds" => {
                job.start = Some(Start::Delay(prost_types::Duration { seconds: number(&value)?, nanos: 0 }));
            }
            ours if ours.starts_with(plain::OURS) => {
                return Err(("headers", "hold a name that begins with Rialto- and means nothing"));
            }
            theirs if theirs.starts_with(plain::OF_NATS) => {}
            _ => _ = job.attributes.insert(name, value),
        }
    }
    let body = match plain::body(&content_type, message.payload)? {
        Body::Text(text) => job_body::Body::Text(text),
        Body::Binary(binary) => job_body::Body::Binary(binary),
    };
    job.body = Some(JobBody { body: Some(body), content_type });
    Ok(EnqueueRequest { namespace, queue, jobs: vec![job] })
}

fn number<T: FromStr>(text: &str) -> Result<T, (&'static str, &'static str)> {
    text.parse().map_err(|_| ("headers", "hold something that is no whole number where there must be one"))
}

/// What becomes of a job, as programs hear it: the job as JSON, under the name that rooms hear.
pub fn event(cluster: &str, (namespace, queue): (&str, &str), name: &str, job: String) -> Plain {
    let (namespace, queue) = (plain::word(namespace), plain::word(queue));
    let headers = [(plain::EVENT, name), (plain::CONTENT_TYPE, "application/json")];
    Plain {
        subject: format!("rl.{cluster}.jobs.events.{namespace}.{queue}"),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        payload: job.into(),
        answer_to: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, &str)], payload: &str) -> Plain {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Plain {
            subject: "rl.main.enqueue.shop.my=20mail".to_owned(),
            headers: headers.collect(),
            payload: payload.to_owned().into(),
            answer_to: None,
        }
    }

    #[test]
    fn headers_and_payload_are_a_job() {
        let headers = [
            ("Nats-Msg-Id", "welcome-7"),
            ("Rialto-Type", "welcome"),
            ("rialto-priority", "-3"),
            ("Rialto-Delay-Seconds", "60"),
            ("Rialto-Fairness-Key", "a"),
            ("tenant", "a"),
        ];
        let request = enqueue(message(&headers, "to ann")).unwrap();
        assert_eq!((request.namespace.as_str(), request.queue.as_str()), ("shop", "my mail"));
        let job = &request.jobs[0];
        assert_eq!((job.job_id.as_str(), job.r#type.as_str(), job.priority), ("welcome-7", "welcome", -3));
        assert_eq!(job.fairness_key, "a");
        assert_eq!(job.attributes["tenant"], "a");
        assert_eq!(job.start, Some(Start::Delay(prost_types::Duration { seconds: 60, nanos: 0 })));
        assert_eq!(job.body.as_ref().unwrap().body, Some(job_body::Body::Text("to ann".to_owned())));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (name, value) in
            [("Rialto-Priorty", "1"), ("Rialto-Priority", "high"), ("Rialto-Delay-Seconds", "1s")]
        {
            assert!(enqueue(message(&[(name, value)], "")).is_err(), "{name}: {value}");
        }
    }
}

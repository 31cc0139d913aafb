//! A job as JSON, as protobuf maps it: for those who hear of it in a room.

use base64::{Engine, engine::general_purpose::STANDARD};
use rialto_proto::v1::{Job, JobBody, JobState, job_body::Body};
use serde_json::{Map, Value, json};

/// The name of the event that a job is in a state: `job.completed`.
pub fn event_name(state: JobState) -> String {
    format!("job.{}", state.as_str_name().trim_start_matches("JOB_STATE_").to_lowercase())
}

/// The job, without what the worker needed to know.
pub fn job_json(job: &Job) -> String {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        let absent = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(object) => object.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            Value::Bool(yes) => !yes,
            Value::Array(_) => false,
        };
        if !absent {
            fields.insert(name.to_owned(), value);
        }
    };
    put("namespace", json!(job.namespace));
    put("queue", json!(job.queue));
    put("jobId", json!(job.job_id));
    put("type", json!(job.r#type));
    put("state", json!(job.state().as_str_name()));
    put("attributes", json!(job.attributes));
    put("priority", json!(job.priority));
    put("fairnessKey", json!(job.fairness_key));
    put("orderingKey", json!(job.ordering_key));
    put("uniqueKey", json!(job.unique_key));
    put("enqueueTime", time(job.enqueue_time));
    put("dueTime", time(job.due_time));
    put("startTime", time(job.start_time));
    put("endTime", time(job.end_time));
    put("attempt", json!(job.attempt));
    put("attemptsMax", json!(job.attempts_max));
    put("deliveries", json!(job.deliveries));
    put("workerId", json!(job.worker_id));
    put(
        "progress",
        job.progress.as_ref().map_or(Value::Null, |progress| {
            json!({
                "done": progress.done.to_string(),
                "total": progress.total.to_string(),
                "message": progress.message,
            })
        }),
    );
    put("result", job.result.as_ref().map_or(Value::Null, body));
    put(
        "error",
        job.error
            .as_ref()
            .map_or(Value::Null, |error| json!({ "code": error.code, "message": error.message })),
    );
    put("cancelling", json!(job.cancelling));
    Value::Object(fields).to_string()
}

fn body(body: &JobBody) -> Value {
    let (name, value) = match &body.body {
        Some(Body::Text(text)) => ("text", text.clone()),
        Some(Body::Binary(binary)) => ("binary", STANDARD.encode(binary)),
        // No result is.
        Some(Body::Uploaded(_)) | None => return json!({}),
    };
    let mut fields = json!({ name: value });
    if !body.content_type.is_empty() {
        fields["contentType"] = json!(body.content_type);
    }
    fields
}

fn time(at: Option<prost_types::Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.to_string()))
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{JobProgress, JobState};

    use super::*;

    #[test]
    fn a_job_is_written_as_protobuf_maps_it_and_without_what_is_not_there() {
        let job = Job {
            job_id: "one".to_owned(),
            state: JobState::Completed.into(),
            progress: Some(JobProgress { done: 3, total: u64::MAX, message: "rows".to_owned() }),
            result: Some(JobBody {
                body: Some(Body::Binary(vec![255].into())),
                content_type: "x/y".to_owned(),
            }),
            enqueue_time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            ..Job::default()
        };
        let json: Value = serde_json::from_str(&job_json(&job)).unwrap();
        let expected = json!({
            "jobId": "one",
            "state": "JOB_STATE_COMPLETED",
            "progress": { "done": "3", "total": "18446744073709551615", "message": "rows" },
            "result": { "binary": "/w==", "contentType": "x/y" },
            "enqueueTime": "1970-01-01T00:00:01.500Z",
        });
        assert_eq!(json, expected);
    }
}

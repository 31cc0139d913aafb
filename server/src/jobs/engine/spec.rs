//! What was put in, as it is kept: encoded. What is asked of it often is read without decoding the rest.

use prost::{
    Message,
    encoding::{DecodeContext, decode_key, skip_field},
};

/// `body` and `previous_result` of a `NewJob`.
const BODY_TAGS: [u32; 2] = [3, 18];

/// What of a `NewJob` its queue knows a job by. The rest is passed over.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Marks {
    #[prost(string, tag = "6")]
    pub(super) fairness_key: String,
    #[prost(uint32, tag = "7")]
    pub(super) fairness_weight: u32,
    #[prost(string, tag = "8")]
    pub(super) ordering_key: String,
    #[prost(string, tag = "9")]
    pub(super) unique_key: String,
}

/// A `NewJob` without what a worker alone needs; none when it has nothing of that.
pub(super) fn without_bodies(mut message: &[u8]) -> Option<Vec<u8>> {
    let mut left = Vec::new();
    let mut is_less = false;
    while !message.is_empty() {
        let field = message;
        let (tag, kind) = decode_key(&mut message).ok()?;
        skip_field(kind, tag, &mut message, DecodeContext::default()).ok()?;
        if BODY_TAGS.contains(&tag) {
            is_less = true;
        } else {
            left.extend_from_slice(field.get(..field.len() - message.len())?);
        }
    }
    is_less.then_some(left)
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{JobBody, NewJob, job_body::Body};

    use super::*;

    #[test]
    fn what_a_worker_alone_needs_is_left_out_and_the_rest_stays_in_its_order() {
        let text =
            |text: &str| Some(JobBody { body: Some(Body::Text(text.to_owned())), ..JobBody::default() });
        let bare = NewJob {
            job_id: "a".to_owned(),
            unique_key: "one".to_owned(),
            completes_batch: true,
            ..NewJob::default()
        };
        let whole = NewJob { body: text("letter"), previous_result: text("stamp"), ..bare.clone() };
        assert_eq!(without_bodies(&whole.encode_to_vec()), Some(bare.encode_to_vec()));
        assert_eq!(without_bodies(&bare.encode_to_vec()), None);
    }
}

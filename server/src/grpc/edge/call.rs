//! One gRPC call, behind grpc-web's translation: exactly one credential, a deadline that covers the whole call and not
//! only its head, messages that arrive in time, right status codes, and an answer even when a service panics. It never
//! reads a message. A layer, put around the services by `app`.

use std::{
    any::Any,
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use rialto_proto::v1::RefusalCode;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::{
    answer::{correct, status, trailers},
    message::Timely,
};
use crate::base::metrics::{CauseLabel, Metrics};

/// A deadline below this has passed before the call could be looked at, and no timer is that fine.
const DEADLINE_MIN: Duration = Duration::from_millis(1);
const TIMEOUT: &str = "grpc-timeout";

/// Puts the rules of calls around a service.
#[derive(Debug, Clone)]
pub(super) struct CallLayer {
    pub(super) message_timeout: Duration,
    pub(super) metrics: Arc<Metrics>,
}

impl<S> Layer<S> for CallLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { layer: self.clone(), inner }
    }
}

/// A service with the rules of calls.
#[derive(Debug, Clone)]
pub(super) struct Calls<S> {
    layer: CallLayer,
    inner: S,
}

impl<S, B> Service<Request<B>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Calling<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Calling<S::Future> {
        let CallLayer { message_timeout, metrics } = &self.layer;
        match look(request.headers()) {
            Ok(deadline) => {
                let timely = |body| Body::new(Timely::new(body, *message_timeout, Arc::clone(metrics)));
                Calling::Running {
                    answer: self.inner.call(request.map(timely)),
                    deadline: deadline.map(|deadline| Box::pin(sleep(deadline))),
                    metrics: Arc::clone(metrics),
                }
            }
            Err((cause, status)) => {
                metrics.requests_refused.get_or_create(&CauseLabel { cause }).inc();
                Calling::Refused { status: Some(status) }
            }
        }
    }
}

/// The deadline of a call, or why it is refused.
fn look(headers: &HeaderMap) -> Result<Option<Duration>, (&'static str, Status)> {
    if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        let reason = "there is more than one authorization header";
        let status = status(Code::Unauthenticated, RefusalCode::Unauthenticated, reason);
        return Err(("authorization", status));
    }
    let mut timeouts = headers.get_all(TIMEOUT).iter();
    match (timeouts.next(), timeouts.next()) {
        (None, _) => Ok(None),
        (Some(timeout), None) => match read_timeout(timeout.as_bytes()) {
            Some(timeout) if timeout < DEADLINE_MIN => Err(("deadline", late())),
            Some(timeout) => Ok(Some(timeout)),
            None => Err(("grpc_timeout", malformed())),
        },
        (Some(_), Some(_)) => Err(("grpc_timeout", malformed())),
    }
}

/// One to eight digits and a unit, as in the gRPC specification.
fn read_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(value * 3600),
        b'M' => Duration::from_secs(value * 60),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => Duration::from_micros(value),
        b'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

fn late() -> Status {
    status(Code::DeadlineExceeded, RefusalCode::Deadline, "the deadline of the call has passed")
}

fn malformed() -> Status {
    status(Code::InvalidArgument, RefusalCode::Invalid, "grpc-timeout is malformed")
}

/// Counts a panic. The panic hook has told about it already.
fn failed(metrics: &Metrics, _panic: Box<dyn Any + Send>) -> Status {
    metrics.panics.inc();
    status(Code::Internal, RefusalCode::Internal, "the node failed")
}

pin_project! {
    /// The answer to come of one call.
    #[project = CallingProjection]
    pub(super) enum Calling<F> {
        Running {
            #[pin]
            answer: F,
            deadline: Option<Pin<Box<Sleep>>>,
            metrics: Arc<Metrics>,
        },
        Refused {
            status: Option<Status>,
        },
    }
}

impl<F> Future for Calling<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let refuse = |status: Status| Poll::Ready(Ok(status.into_http()));
        match self.project() {
            CallingProjection::Refused { status } => refuse(status.take().unwrap_or_else(late)),
            CallingProjection::Running { answer, deadline, metrics } => {
                match catch_unwind(AssertUnwindSafe(|| answer.poll(context))) {
                    Err(panic) => refuse(failed(metrics, panic)),
                    Ok(Poll::Ready(Err(never))) => match never {},
                    Ok(Poll::Ready(Ok(mut answer))) => {
                        correct(answer.headers_mut());
                        Poll::Ready(Ok(answer.map(|body| {
                            Body::new(Answer {
                                body: Some(body),
                                deadline: deadline.take(),
                                metrics: Arc::clone(metrics),
                            })
                        })))
                    }
                    Ok(Poll::Pending) => {
                        let Some(deadline) = deadline else {
                            return Poll::Pending;
                        };
                        ready!(deadline.as_mut().poll(context));
                        refuse(late())
                    }
                }
            }
        }
    }
}

/// The body of an answer, which ends at the deadline of its call.
struct Answer {
    /// `None` after the node ended it.
    body: Option<Body>,
    deadline: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

impl Answer {
    /// The last frame, instead of what the service would have sent. The service is dropped.
    fn end(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.body = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(status)))))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context))) {
            Err(panic) => {
                let status = failed(&this.metrics, panic);
                this.end(status)
            }
            Ok(Poll::Ready(Some(Ok(mut frame)))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    correct(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(Poll::Ready(end)) => Poll::Ready(end),
            Ok(Poll::Pending) => {
                let Some(deadline) = &mut this.deadline else {
                    return Poll::Pending;
                };
                ready!(deadline.as_mut().poll(context));
                this.end(late())
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_specified() {
        for (text, timeout) in [
            ("1n", Some(Duration::from_nanos(1))),
            ("5u", Some(Duration::from_micros(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("3S", Some(Duration::from_secs(3))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("0S", Some(Duration::ZERO)),
            ("123456789n", None),
            ("abc", None),
            ("-1S", None),
            ("1.5S", None),
            ("1", None),
            ("S", None),
            ("1s", None),
            (" 1S", None),
            ("", None),
        ] {
            assert_eq!(read_timeout(text.as_bytes()), timeout, "{text:?}");
        }
    }

    fn call(headers: &[(&'static str, &'static str)]) -> Result<Option<Duration>, Code> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        look(&map).map_err(|(_, status)| status.code())
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        assert_eq!(call(&[("authorization", "a"), ("authorization", "a")]), Err(Code::Unauthenticated));
        assert_eq!(call(&[(TIMEOUT, "1S"), (TIMEOUT, "1S")]), Err(Code::InvalidArgument));
        assert_eq!(call(&[(TIMEOUT, "1S"), ("authorization", "a")]), Ok(Some(Duration::from_secs(1))));
    }

    #[test]
    fn a_deadline_that_no_call_can_meet_has_passed() {
        assert_eq!(call(&[(TIMEOUT, "1n")]), Err(Code::DeadlineExceeded));
        assert_eq!(call(&[(TIMEOUT, "0H")]), Err(Code::DeadlineExceeded));
    }
}

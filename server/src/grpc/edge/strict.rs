//! What is a gRPC call and what is not, by the head of the request: POST, a content type that is exactly one of those
//! of gRPC and grpc-web, and HTTP/2 for gRPC proper. tonic alone would serve any method and any content type, so that a
//! foreign page could call without a preflight. Used by `app`, behind `origin`.

use http::{Method, Request, StatusCode, Version, header};

use super::check::{Check, Refused};

/// The rules.
#[derive(Debug)]
pub(super) struct Strict;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grpc,
    GrpcWeb,
}

fn kind(content_type: &[u8]) -> Option<Kind> {
    match content_type {
        b"application/grpc" | b"application/grpc+proto" => Some(Kind::Grpc),
        b"application/grpc-web"
        | b"application/grpc-web+proto"
        | b"application/grpc-web-text"
        | b"application/grpc-web-text+proto" => Some(Kind::GrpcWeb),
        _ => None,
    }
}

/// Whether the path is that of a method, like `/package.Service/Method`, which others answer with 405 and not 404.
fn names_a_method(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, method)| service.contains('.') && !method.is_empty() && !method.contains('/'))
}

impl Check for Strict {
    fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let method = request.method();
        if method != Method::POST {
            let reads = method == Method::GET || method == Method::HEAD;
            if reads && !names_a_method(request.uri().path()) {
                return Err(Refused::new(StatusCode::NOT_FOUND, "path", "there is no such page\n"));
            }
            return Err(Refused {
                header: Some((header::ALLOW, "POST")),
                ..Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "calls are POST\n")
            });
        }
        let mut types = request.headers().get_all(header::CONTENT_TYPE).iter();
        let kind = match (types.next(), types.next()) {
            (Some(only), None) => kind(only.as_bytes()),
            _ => None,
        };
        match kind {
            Some(Kind::GrpcWeb) => Ok(()),
            Some(Kind::Grpc) if request.version() == Version::HTTP_2 => Ok(()),
            Some(Kind::Grpc) => Err(unsupported("gRPC needs HTTP/2; over HTTP/1.1 use grpc-web\n")),
            None => Err(unsupported("calls are application/grpc or application/grpc-web\n")),
        }
    }
}

fn unsupported(reason: &'static str) -> Refused {
    Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, path: &str, content_type: Option<&str>, version: Version) -> Option<u16> {
        let mut request = Request::builder().method(method).uri(path).version(version);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let verdict = Strict.check(&request.body(()).unwrap());
        verdict.err().map(|refused| refused.status.as_u16())
    }

    #[test]
    fn exactly_the_types_of_grpc_pass() {
        for (content_type, answer) in [
            ("application/grpc", None),
            ("application/grpc+proto", None),
            ("application/grpc-web", None),
            ("application/grpc-web+proto", None),
            ("application/grpc-web-text", None),
            ("application/grpc-web-text+proto", None),
            ("application/grpc+json", Some(415)),
            ("application/grpc; charset=utf-8", Some(415)),
            ("application/grpc-web+json", Some(415)),
            ("application/grpcfoo", Some(415)),
            ("APPLICATION/GRPC", Some(415)),
            ("text/plain", Some(415)),
            ("", Some(415)),
        ] {
            assert_eq!(
                status("POST", "/a.B/C", Some(content_type), Version::HTTP_2),
                answer,
                "{content_type}"
            );
        }
        assert_eq!(status("POST", "/a.B/C", None, Version::HTTP_2), Some(415));
    }

    #[test]
    fn grpc_proper_needs_http_2() {
        assert_eq!(status("POST", "/a.B/C", Some("application/grpc"), Version::HTTP_11), Some(415));
        assert_eq!(status("POST", "/a.B/C", Some("application/grpc-web"), Version::HTTP_11), None);
    }

    #[test]
    fn other_methods_are_refused_and_unknown_pages_not_found() {
        for (method, path, answer) in [
            ("GET", "/rialto.v1.MessagingService/Publish", 405),
            ("HEAD", "/rialto.v1.MessagingService/Publish", 405),
            ("PUT", "/rialto.v1.MessagingService/Publish", 405),
            ("DELETE", "/nothing", 405),
            ("CONNECT", "/nothing", 405),
            ("GET", "/nothing", 404),
            ("GET", "/favicon.ico", 404),
            ("GET", "/a/b.c", 404),
            ("GET", "/a.b/c/d", 404),
        ] {
            let content_type = Some("application/grpc");
            assert_eq!(status(method, path, content_type, Version::HTTP_2), Some(answer), "{method} {path}");
        }
    }
}

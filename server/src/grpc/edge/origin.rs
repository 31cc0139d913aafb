//! Which web pages may call the node: those of its own origin and those that the configuration names, by exact
//! comparison. Programs send no `Origin` and pass. Nothing here authenticates anybody. Used by `app`, for the check and
//! for the CORS answers.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::check::{Check, Refused};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The pages that may call.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    permitted: HashSet<String>,
    fields_max: usize,
    names_believed: bool,
}

impl Origins {
    /// Own pages and `origins`; requests may have `fields_max` header fields, 0 for any number.
    ///
    /// Unless `names_believed`, a page is the node's own only under an address or `localhost`. Where nothing is
    /// authenticated the name in `Host` proves nothing: a foreign site can let its own name point here (DNS rebinding).
    pub(super) fn new(origins: &[String], fields_max: u32, names_believed: bool) -> Self {
        let permitted = origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Self { permitted: permitted.collect(), fields_max: fields_max as usize, names_believed }
    }

    fn permits(&self, origin: &HeaderValue, authority: Option<&str>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let origin = origin.to_ascii_lowercase();
        let own =
            |authority: &str| is_own(&origin, authority) && (self.names_believed || is_address(authority));
        self.permitted.contains(&origin) || authority.is_some_and(own)
    }

    /// Answers preflights, and lets scripts of permitted pages read what gRPC puts into headers.
    pub(super) fn cors(&self) -> CorsLayer {
        let origins = self.clone();
        let permitted = AllowOrigin::predicate(move |origin, parts| {
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            origins.permits(origin, parts.uri.authority().map(|a| a.as_str()).or(host))
        });
        CorsLayer::new()
            .allow_origin(permitted)
            .allow_methods([Method::POST])
            .allow_headers([
                header::CONTENT_TYPE,
                header::AUTHORIZATION,
                HeaderName::from_static("x-grpc-web"),
                HeaderName::from_static("x-user-agent"),
                HeaderName::from_static("grpc-timeout"),
            ])
            .expose_headers([
                HeaderName::from_static("grpc-status"),
                HeaderName::from_static("grpc-message"),
                HeaderName::from_static("grpc-status-details-bin"),
            ])
            .vary([header::ORIGIN])
            .max_age(PREFLIGHT_AGE)
    }
}

impl Check for Origins {
    fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        if self.fields_max != 0 && request.headers().len() > self.fields_max {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Refused::new(status, "header_fields", "too many header fields\n"));
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let refused = Refused::new(StatusCode::FORBIDDEN, "origin", "this origin may not call the node\n");
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.permits(origin, authority(request)) => Ok(()),
            (Some(_), _) => Err(refused),
            // A preflight always tells its origin; without one there is nothing to permit.
            (None, _) if request.method() == Method::OPTIONS => Err(Refused {
                header: Some((header::ALLOW, "POST")),
                ..Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "calls are POST\n")
            }),
            (None, _) => Ok(()),
        }
    }
}

/// To whom the request is addressed.
fn authority<B>(request: &Request<B>) -> Option<&str> {
    let host = || request.headers().get(header::HOST)?.to_str().ok();
    request.uri().authority().map(|authority| authority.as_str()).or_else(host)
}

/// Whether `origin` (lower case) is a page that came from `authority`. The scheme is the page's: behind a proxy that
/// ends TLS the node cannot know its own.
fn is_own(origin: &str, authority: &str) -> bool {
    let (host, port) = match origin.split_once("://") {
        Some(("http", host)) => (host, ":80"),
        Some(("https", host)) => (host, ":443"),
        _ => return false,
    };
    let authority = authority.to_ascii_lowercase();
    let bare = |name: &str| name.strip_suffix(port).unwrap_or(name).to_owned();
    !host.is_empty() && bare(host) == bare(&authority)
}

/// Whether `authority` is an address or this machine's own name, which nobody else can let point here.
fn is_address(authority: &str) -> bool {
    let host =
        authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = host.map_or(authority, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_authenticated_a_name_that_points_here_is_not_believed() {
        let origins = Origins::new(&["https://app.example.com".to_owned()], 0, false);
        let verdict = |origin: &str, host: &str| {
            let request = Request::post("/").header("origin", origin).header("host", host);
            origins.check(&request.body(()).unwrap()).is_ok()
        };
        for host in ["127.0.0.1:7400", "[::1]:7400", "localhost:7400", "192.168.1.5", "localhost"] {
            assert!(verdict(&format!("http://{host}"), host), "{host}");
        }
        assert!(verdict("https://app.example.com", "app.example.com"));
        for host in ["rebound.example:7400", "rebound.example", "localhost.example:7400", "127.0.0.1.example"]
        {
            assert!(!verdict(&format!("http://{host}"), host), "{host}");
        }
    }

    fn verdict(origin: &str, host: &str) -> Result<(), Refused> {
        let origins = Origins::new(&["https://app.example.com".to_owned()], 0, true);
        let request = Request::post("/").header("origin", origin).header("host", host);
        origins.check(&request.body(()).unwrap())
    }

    #[test]
    fn own_and_configured_pages_may_call() {
        for (origin, host) in [
            ("http://127.0.0.1:7400", "127.0.0.1:7400"),
            ("http://[::1]:7400", "[::1]:7400"),
            ("https://chat.example.com", "chat.example.com"),
            ("https://chat.example.com", "chat.example.com:443"),
            ("http://CHAT.example.com:80", "chat.example.com"),
            ("https://app.example.com", "chat.example.com"),
            ("HTTPS://APP.example.com", "chat.example.com"),
        ] {
            assert_eq!(verdict(origin, host), Ok(()), "{origin} calls {host}");
        }
    }

    #[test]
    fn other_pages_may_not_however_they_are_named() {
        for origin in [
            "null",
            "",
            "https://",
            "https://evil.example",
            "https://app.example.com.evil.example",
            "https://evilapp.example.com",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://app.example.com/",
            "https://app.example.com@evil.example",
            "https://chat.example.com:8080",
            "ftp://chat.example.com",
            "chat.example.com",
            "https://sub.chat.example.com",
            "https://chat.example.co",
        ] {
            let refused = verdict(origin, "chat.example.com").unwrap_err();
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let origins = Origins::new(&[], 0, true);
        let request = Request::post("/").header("host", "a").header("origin", "http://a");
        let request = request.header("origin", "http://a").body(()).unwrap();
        assert_eq!(origins.check(&request).unwrap_err().status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn programs_pass_and_have_so_many_fields() {
        let origins = Origins::new(&[], 2, true);
        let request = Request::post("/").header("a", "1").header("b", "2");
        origins.check(&request.body(()).unwrap()).unwrap();
        let request = Request::post("/").header("a", "1").header("a", "2").header("a", "3");
        assert_eq!(origins.check(&request.body(()).unwrap()).unwrap_err().cause, "header_fields");
    }
}

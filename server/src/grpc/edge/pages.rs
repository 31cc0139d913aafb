//! The pages of the node: the files of `web/dist`, held in the binary, or a short page that says why there are none.
//! Every answer forbids what the pages do not need. It serves files only; what they do is in `web/`. Called by `app`.

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
#[cfg(feature = "web-ui")]
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Scripts and styles from files of the node only, calls to the node only, no frames around it.
const POLICY: &str = "default-src 'self'; connect-src 'self'; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What is shown when the binary was built without pages.
const NO_PAGES: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rialto</title>\
    <h1>Rialto is running</h1><p>This binary was built without its pages. Calls are served as usual.</p></html>\n";

const GUARDS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Names of files do not change with their content, so browsers ask each time; the ETag makes that cheap.
    (header::CACHE_CONTROL, "no-cache"),
];

#[cfg(feature = "web-ui")]
#[derive(rust_embed::RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
#[allow_missing = true]
struct Files;

/// One route for each file; `index.html` also answers for its folder.
pub(super) fn routes() -> Router {
    let mut router = Router::new();
    let mut front = false;
    for name in names() {
        // Braces would be parameters in a route.
        if name.starts_with('.') || name.contains(['{', '}']) {
            continue;
        }
        let page = |path: String, name: String| (path, get(async move |request| show(&name, &request)));
        if let Some(folder) = name.strip_suffix("index.html") {
            front |= folder.is_empty();
            let (path, route) = page(format!("/{folder}"), name.clone());
            router = router.route(&path, route);
        }
        let (path, route) = page(format!("/{name}"), name);
        router = router.route(&path, route);
    }
    if front {
        router
    } else {
        router.route("/", get(async |request| serve(&request, "text/html; charset=utf-8", "none", NO_PAGES)))
    }
}

#[cfg(feature = "web-ui")]
fn names() -> impl Iterator<Item = String> {
    Files::iter().map(std::borrow::Cow::into_owned)
}

#[cfg(not(feature = "web-ui"))]
fn names() -> impl Iterator<Item = String> {
    std::iter::empty()
}

#[cfg(feature = "web-ui")]
fn show(name: &str, request: &Request) -> Response {
    let Some(file) = Files::get(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let content = match file.data {
        std::borrow::Cow::Borrowed(content) => Bytes::from_static(content),
        std::borrow::Cow::Owned(content) => Bytes::from(content),
    };
    serve(request, media_type(name), &tag, content)
}

#[cfg(not(feature = "web-ui"))]
fn show(_name: &str, _request: &Request) -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn serve(request: &Request, media_type: &'static str, tag: &str, content: impl Into<Body>) -> Response {
    let tag = format!("\"{tag}\"");
    let held = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|held| held.trim().trim_start_matches("W/") == tag);
    let mut response = if held {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, media_type)], content.into()).into_response()
    };
    let headers = response.headers_mut();
    headers.extend(GUARDS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Only kinds of files that a page of ours may consist of.
#[cfg_attr(not(feature = "web-ui"), allow(dead_code, reason = "there are no files"))]
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/vnd.microsoft.icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tag: Option<&str>) -> Response {
        let mut request = Request::get("/");
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        serve(&request.body(Body::empty()).unwrap(), "text/css; charset=utf-8", "abc", "x")
    }

    #[test]
    fn a_page_that_the_browser_holds_is_not_sent_again() {
        assert_eq!(answer(None).status(), 200);
        assert_eq!(answer(Some("\"other\"")).status(), 200);
        for tag in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\""] {
            assert_eq!(answer(Some(tag)).status(), 304, "{tag}");
        }
    }

    #[test]
    fn every_answer_is_guarded() {
        for response in [answer(None), answer(Some("\"abc\""))] {
            for (name, value) in GUARDS {
                assert_eq!(response.headers()[&name], value);
            }
            assert_eq!(response.headers()["etag"], "\"abc\"");
        }
    }
}

//! Credentials: where a token comes from and when the next one is due. Of a JWT it reads when it ends and nothing else, and
//! it never logs a token.
//! Asked by `actor.rs` for each connection and by `conversation.rs` while one lasts.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use crate::error::{Error, LONGEST};

/// A new token is fetched when this share of the old one's life is over.
const RENEW_AT: f64 = 0.8;
/// After the callback has failed it is asked again so much later.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A token and, if it is known, how long it is good for.
#[derive(Clone)]
pub struct Token {
    text: String,
    expires_in: Option<Duration>,
}

impl Token {
    /// A token. If it is a JWT its end is known; otherwise the session uses it until the server says that it has expired.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), expires_in: None }
    }

    /// How long the token is good for from now on. The session fetches the next one before that.
    #[must_use]
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.expires_in = Some(span);
        self
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How long it is good for, by what was said of it or by what it says itself.
    pub(crate) fn life(&self) -> Option<Duration> {
        self.expires_in.or_else(|| {
            let ends_at = UNIX_EPOCH.checked_add(Duration::from_secs(end_of_jwt(&self.text)?))?;
            Some(ends_at.duration_since(wall()).unwrap_or_default())
        })
    }
}

/// The time of day, which is what the end of a token is told in.
#[allow(
    clippy::disallowed_methods,
    reason = "the end of a JWT is a time of day; it is read once for each token"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// When a JWT ends, in seconds since 1970. The one claim is searched for, and nothing else is read.
fn end_of_jwt(token: &str) -> Option<u64> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = from_base64(claims)?;
    let claims = std::str::from_utf8(&claims).ok()?;
    top_level_number(claims, "exp")
}

/// Base64 of URLs, without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        (bits, count) = ((bits << 6 | u32::from(value)) & 0xffff, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// The number that a JSON object has under a name, not counting objects and lists within. A fraction is left out.
fn top_level_number(json: &str, name: &str) -> Option<u64> {
    let (mut depth, mut rest) = (0_u32, json);
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.checked_sub(1)?,
            '"' => {
                let end = end_of_string(rest)?;
                let (text, after) = (&rest[..end], rest[end + 1..].trim_start());
                if let Some(value) = after.strip_prefix(':').filter(|_| depth == 1 && text == name) {
                    let value = value.trim_start();
                    let digits =
                        value.len() - value.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
                    return value[..digits].parse().ok();
                }
                rest = &rest[end + 1..];
            }
            _ => {}
        }
    }
    None
}

/// Where a string of JSON ends.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// What a token callback may fail with.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;
type Fetch = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

/// Where tokens come from.
#[derive(Clone, Default)]
pub(crate) enum TokenSource {
    /// None: for servers without authentication.
    #[default]
    Absent,
    /// Always the same.
    Fixed(Token),
    /// The application is asked.
    Callback(Arc<dyn Fn() -> Fetch + Send + Sync>),
}

impl TokenSource {
    pub(crate) fn callback<F, T>(ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        Self::Callback(Arc::new(move || Box::pin(ask())))
    }

    /// Holds when there can be another token than the last one.
    pub(crate) fn renewable(&self) -> bool {
        matches!(self, Self::Callback(_))
    }

    /// A token to connect with.
    pub(crate) async fn fetch(&self) -> Result<Option<Token>, Error> {
        match self {
            Self::Absent => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            Self::Callback(ask) => match ask().await {
                Ok(token) => Ok(Some(token)),
                Err(error) => Err(Error::Unavailable(format!("no token: {error}"))),
            },
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Fixed(_) => "Fixed",
            Self::Callback(_) => "Callback",
        })
    }
}

/// When the next token is due, and its fetching.
pub(crate) struct Renewal {
    source: TokenSource,
    stage: Stage,
    /// The first token was replaced already.
    replaced: bool,
}

enum Stage {
    Unknown,
    Due(Instant),
    Fetching(Fetch),
}

impl Renewal {
    /// Begins with the token that the stream was opened with, which is good for `life` from now.
    pub(crate) fn new(source: TokenSource, life: Option<Duration>) -> Self {
        let mut renewal = Self { source, stage: Stage::Unknown, replaced: false };
        renewal.lasts(life);
        renewal
    }

    /// The token in force is good for so long from now.
    pub(crate) fn lasts(&mut self, life: Option<Duration>) {
        // A callback whose tokens are over already would be asked without end.
        let floor = if self.replaced { ASK_AGAIN.mul_f64(0.1) } else { Duration::ZERO };
        self.stage = match life.filter(|_| self.source.renewable()) {
            Some(life) => Stage::Due(Instant::now() + life.min(LONGEST).mul_f64(RENEW_AT).max(floor)),
            None => Stage::Unknown,
        };
    }

    /// Waits until a new token is due and has been fetched. For ever when the end of the old one is not known.
    ///
    /// *Cancel safety*: nothing is lost, call it again.
    pub(crate) async fn next(&mut self) -> Result<Token, String> {
        loop {
            match (&mut self.stage, &self.source) {
                (Stage::Due(at), TokenSource::Callback(ask)) => {
                    tokio::time::sleep_until(*at).await;
                    self.stage = Stage::Fetching(ask());
                }
                (Stage::Fetching(fetch), _) => {
                    let fetched = fetch.await;
                    self.replaced |= fetched.is_ok();
                    self.stage = match &fetched {
                        Ok(_) => Stage::Unknown,
                        Err(_) => Stage::Due(Instant::now() + ASK_AGAIN),
                    };
                    return fetched.map_err(|error| error.to_string());
                }
                _ => std::future::pending::<()>().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_expires() {
        let source = TokenSource::callback(|| async { Ok(Token::new("next")) });
        let began = Instant::now();
        let mut renewal = Renewal::new(source, Some(Duration::from_secs(100)));
        assert_eq!(renewal.next().await.unwrap().into_text(), "next");
        assert_eq!(began.elapsed(), Duration::from_secs(80));
    }

    #[tokio::test(start_paused = true)]
    async fn a_callback_that_fails_is_asked_again_later() {
        let source = TokenSource::callback(|| async { Err("down".into()) });
        let mut renewal = Renewal::new(source, Some(Duration::ZERO));
        assert_eq!(renewal.next().await.unwrap_err(), "down");
        let began = Instant::now();
        assert_eq!(renewal.next().await.unwrap_err(), "down");
        assert_eq!(began.elapsed(), ASK_AGAIN);
    }

    #[test]
    fn the_end_of_a_jwt_is_read_and_nothing_else() {
        // {"sub":"ann","x":{"exp":1},"exp":1700000000,"n":"\"exp\":2"}
        let claims = "eyJzdWIiOiJhbm4iLCJ4Ijp7ImV4cCI6MX0sImV4cCI6MTcwMDAwMDAwMCwibiI6IlwiZXhwXCI6MiJ9";
        assert_eq!(end_of_jwt(&format!("e30.{claims}.sig")), Some(1_700_000_000));
        assert_eq!(Token::new(format!("e30.{claims}.sig")).life(), Some(Duration::ZERO), "it is over");
        let said = Token::new(format!("e30.{claims}.sig")).expires_in(ASK_AGAIN);
        assert_eq!(said.life(), Some(ASK_AGAIN), "what the callback says counts more");
        for none in ["rk_key", "a.b", "a.*.c", "a.e30.c", &format!("a.{claims}.c.d")] {
            assert_eq!(end_of_jwt(none), None, "{none}");
        }
    }

    #[test]
    fn names_within_strings_and_objects_are_not_the_claim() {
        for (json, expected) in [
            (r#"{"exp" : 7.5}"#, Some(7)),
            (r#"{"a":[{"exp":1}],"exp":2}"#, Some(2)),
            (r#"{"a":"exp","b":"\\","exp":3}"#, Some(3)),
            (r#"{"exp":"4"}"#, None),
            (r#"{"a":"#, None),
        ] {
            assert_eq!(top_level_number(json, "exp"), expected, "{json}");
        }
    }

    #[test]
    fn a_token_does_not_show_its_text() {
        assert!(!format!("{:?}", Token::new("sesame")).contains("sesame"));
    }
}

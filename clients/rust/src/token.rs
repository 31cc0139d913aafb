//! Credentials: where a token comes from and when the next one is due. Never looks into a token and never logs one.
//! Asked by `actor.rs` for each connection and by `conversation.rs` while one lasts.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::error::Error;

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
    /// A token whose end is not known: the session uses it until the server says that it has expired.
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

    pub(crate) fn life(&self) -> Option<Duration> {
        self.expires_in
    }
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
}

enum Stage {
    Unknown,
    Due(Instant),
    Fetching(Fetch),
}

impl Renewal {
    /// Begins with the token that the stream was opened with, which is good for `life` from now.
    pub(crate) fn new(source: TokenSource, life: Option<Duration>) -> Self {
        let mut renewal = Self { source, stage: Stage::Unknown };
        renewal.lasts(life);
        renewal
    }

    /// The token in force is good for so long from now.
    pub(crate) fn lasts(&mut self, life: Option<Duration>) {
        self.stage = match life.filter(|_| self.source.renewable()) {
            Some(life) => Stage::Due(Instant::now() + life.mul_f64(RENEW_AT)),
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
    fn a_token_does_not_show_its_text() {
        assert!(!format!("{:?}", Token::new("sesame")).contains("sesame"));
    }
}

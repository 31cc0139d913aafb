//! `rialto token`: makes tokens and keys, and explains tokens. Works with the very code that the node authenticates
//! with and without any node: a token that it mints is one that the node accepts. Secrets are read and never written;
//! a new key is shown once. Exit codes: 0 made or valid, 1 refused, 2 the request makes no sense.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    auth::{
        Authenticator, Identity, Right,
        keys::ApiKey,
        secret::read_secret,
        token::{Audience, Claims, mint},
    },
    base::{
        clock,
        config::{
            ApiKeyConfig, AuthConfig, Config, ConfigError, GrantConfig, Secret, TokenAlgorithm, TokenConfig,
            TokenKeyConfig,
        },
        limits::TOKEN_BYTES_MAX,
    },
};

/// Make and check tokens and keys.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token (JWT) for a user
    Mint(MintArgs),
    /// Say whether a token or key would be accepted, for whom and for what
    Check(CheckArgs),
    /// Make a static key for a service, and the lines for the node's configuration
    Key(KeyArgs),
}

#[derive(Debug, Args)]
struct MintArgs {
    /// The user
    #[arg(long, value_name = "USER")]
    user: String,
    #[command(flatten)]
    grant: GrantArgs,
    /// Its id (`jti`), by which it can be revoked; by chance if not given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// How long it holds, like 15m or 1h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    expires: Duration,
    #[command(flatten)]
    signer: SignerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The token or key; `-` reads it from standard input
    #[arg(value_name = "TOKEN", env = "RIALTO_TOKEN", hide_env_values = true)]
    token: String,
    #[command(flatten)]
    signer: SignerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// Whose key it is, for people
    #[arg(long)]
    name: String,
    /// The user that the service is
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    grant: GrantArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct GrantArgs {
    /// Namespace, or the beginning of names and `*`; may be repeated
    #[arg(long = "namespace", value_name = "PATTERN", required = true)]
    namespaces: Vec<String>,
    /// Room or queue, or the beginning of names and `*`; `{user}` stands for the user; may be repeated
    #[arg(long = "room", value_name = "PATTERN")]
    rooms: Vec<String>,
    /// Rights: join, emit, call, history, presence, enqueue, work, admin
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',')]
    can: Vec<Right>,
}

#[derive(Debug, Args)]
struct SignerArgs {
    /// Take issuer, audience and keys from the node's configuration, unless a secret is given
    #[arg(long, value_name = "FILE", env = "RIALTO_CONFIG")]
    config: Option<PathBuf>,
    /// The shared secret
    #[arg(long, env = "RIALTO_TOKEN_SECRET", hide_env_values = true, conflicts_with = "secret_file")]
    secret: Option<String>,
    /// File that holds it
    #[arg(long, value_name = "FILE", env = "RIALTO_TOKEN_SECRET_FILE")]
    secret_file: Option<PathBuf>,
    /// Id of the key (`kid`)
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// Who makes the token (`iss`)
    #[arg(long, env = "RIALTO_TOKEN_ISSUER")]
    issuer: Option<String>,
    /// For whom it is (`aud`)
    #[arg(long, env = "RIALTO_TOKEN_AUDIENCE")]
    audience: Option<String>,
}

/// What goes to standard output, and the exit code.
type Answer = (u8, String);

/// Why there is no answer, and the exit code that says so.
#[derive(Debug)]
struct Failure(u8, String);

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(2, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(1, error.to_string())
    }
}

/// Runs `rialto token`.
pub fn run(args: TokenArgs) -> ExitCode {
    let said = match args.command {
        TokenCommand::Mint(args) => make(&args, clock::wall()),
        TokenCommand::Check(args) => check(&args, clock::wall()),
        TokenCommand::Key(args) => make_key(&args),
    };
    let written = said.and_then(|(code, text)| {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(code),
        }
    });
    match written {
        Ok(code) => ExitCode::from(code),
        Err(Failure(code, reason)) => {
            // There is nobody to tell when standard error is closed.
            writeln!(io::stderr().lock(), "rialto: {reason}").ok();
            ExitCode::from(code)
        }
    }
}

impl GrantArgs {
    fn grants(&self) -> Vec<GrantConfig> {
        let grant = |namespace: &String| GrantConfig {
            namespace: namespace.clone(),
            rooms: self.rooms.clone(),
            can: self.can.clone(),
        };
        self.namespaces.iter().map(grant).collect()
    }
}

impl SignerArgs {
    /// What the node would know.
    fn auth(&self) -> Result<AuthConfig, Failure> {
        let has_secret = self.secret.is_some() || self.secret_file.is_some();
        let path = match &self.config {
            Some(path) if !has_secret => path,
            _ => return self.auth_from_flags(),
        };
        let mut auth = Config::load(path)?.auth;
        if let Some(token) = &mut auth.token {
            token.issuer = self.issuer.clone().unwrap_or_else(|| token.issuer.clone());
            token.audience = self.audience.clone().unwrap_or_else(|| token.audience.clone());
        }
        if auth.is_open() {
            return Err(Failure(2, format!("{} has no [auth]", path.display())));
        }
        Ok(auth)
    }

    fn auth_from_flags(&self) -> Result<AuthConfig, Failure> {
        let needed = |value: &Option<String>, flag: &str| {
            let missing = || Failure(2, format!("{flag} is needed, or --config with the node's file"));
            value.clone().ok_or_else(missing)
        };
        if self.secret.is_none() && self.secret_file.is_none() {
            return Err(Failure(2, "--secret-file, --secret or --config is needed".to_owned()));
        }
        let token = TokenConfig {
            issuer: needed(&self.issuer, "--issuer")?,
            audience: needed(&self.audience, "--audience")?,
            leeway: Duration::ZERO,
            keys: vec![TokenKeyConfig {
                id: self.key_id.clone(),
                algorithm: TokenAlgorithm::HS256,
                secret: self.secret.clone().map(Secret::new),
                secret_file: self.secret_file.clone(),
            }],
        };
        Ok(AuthConfig { token: Some(token), api_keys: Vec::new() })
    }

    /// The key to sign with: the one that is named, or the one without id, or the only one.
    fn key<'a>(&self, keys: &'a [TokenKeyConfig]) -> Result<&'a TokenKeyConfig, Failure> {
        let named = keys.iter().find(|key| key.id == self.key_id);
        let only = (self.key_id.is_none() && keys.len() == 1).then(|| keys.first()).flatten();
        let which = || match &self.key_id {
            Some(id) => format!("there is no key {id:?}"),
            None => "--key-id is needed: there are several keys".to_owned(),
        };
        named.or(only).ok_or_else(|| Failure(2, which()))
    }
}

fn make(args: &MintArgs, now: SystemTime) -> Result<Answer, Failure> {
    let auth = args.signer.auth()?;
    let Some(config) = &auth.token else {
        return Err(Failure(2, "the configuration has no [auth.token]".to_owned()));
    };
    let authenticator = Authenticator::new(&auth)?;
    let key = args.signer.key(&config.keys)?;
    let claims = Claims {
        sub: args.user.clone(),
        iss: config.issuer.clone(),
        aud: Audience::One(config.audience.clone()),
        exp: (clock::unix_ms(now) / 1000).saturating_add(args.expires.as_secs()),
        nbf: None,
        iat: Some((clock::unix_ms(now) / 1000).into()),
        jti: Some(args.id.clone().unwrap_or_else(random_id)),
        rialto: args.grant.grants(),
    };
    let secret = read_secret(key.secret.as_ref(), key.secret_file.as_deref())?;
    let token = mint(&claims, key.id.as_deref(), &secret).map_err(|error| Failure(2, error.to_string()))?;
    if let Err(refusal) = authenticator.authenticate(&token, now) {
        return Err(Failure(2, format!("a node would refuse it: {}", refusal.reason)));
    }
    if args.json {
        return Ok((0, json!({"token": token, "claims": claims}).to_string()));
    }
    Ok((0, token))
}

fn random_id() -> String {
    format!("{:032x}", u128::from_be_bytes(clock::random_secret()))
}

fn check(args: &CheckArgs, now: SystemTime) -> Result<Answer, Failure> {
    let authenticator = Authenticator::new(&args.signer.auth()?)?;
    let token = match args.token.as_str() {
        "-" => first_line(io::stdin().lock())?,
        token => token.to_owned(),
    };
    let identity = match authenticator.authenticate(&token, now) {
        Ok(identity) => identity,
        Err(refusal) if args.json => {
            return Ok((1, json!({"valid": false, "reason": refusal.reason}).to_string()));
        }
        Err(refusal) => return Err(Failure(1, format!("refused: {}", refusal.reason))),
    };
    // Authenticated, so that the claims may be believed; a static key has none.
    let claims = claims_of(&token);
    if args.json {
        let user = identity.user.map(|user| user.into_string());
        let ends = identity.expires_at.map(|end| clock::unix_ms(end) / 1000);
        let said = json!({"valid": true, "user": user, "expires_at": ends, "claims": claims});
        return Ok((0, said.to_string()));
    }
    Ok((0, described(&identity, claims.as_ref(), now)))
}

fn first_line(input: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    input.take(TOKEN_BYTES_MAX as u64 + 2).read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}

fn claims_of(token: &str) -> Option<Claims> {
    let json = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&json).ok()
}

fn described(identity: &Identity, claims: Option<&Claims>, now: SystemTime) -> String {
    let user = identity.user.as_ref().map_or("(nobody in particular)", |user| user.as_str());
    let mut text = format!("valid\nuser     {user}");
    match identity.expires_at {
        Some(end) => {
            let left = Duration::from_secs(end.duration_since(now).unwrap_or_default().as_secs());
            let (end, left) = (humantime::format_rfc3339_seconds(end), humantime::format_duration(left));
            text += &format!("\nexpires  {end}, in {left}");
        }
        None => text += "\nexpires  never",
    }
    for grant in claims.iter().flat_map(|claims| &claims.rialto) {
        let can: Vec<&str> = grant.can.iter().map(|right| right.word()).collect();
        let (can, rooms) = (can.join(", "), grant.rooms.join(", "));
        text += &format!("\ngrant    {}: {}", grant.namespace, if can.is_empty() { "enter" } else { &can });
        if !rooms.is_empty() {
            text += &format!(" in {rooms}");
        }
    }
    text
}

fn make_key(args: &KeyArgs) -> Result<Answer, Failure> {
    let key = ApiKey::random().map_err(|error| Failure(1, error.to_string()))?;
    let auth = AuthConfig {
        token: None,
        api_keys: vec![ApiKeyConfig {
            name: args.name.clone(),
            sha256: key.sha256(),
            user: args.user.clone(),
            grants: args.grant.grants(),
        }],
    };
    Authenticator::new(&auth)?;
    if args.json {
        let said = json!({"key": key.expose(), "config": auth.api_keys.first()});
        return Ok((0, said.to_string()));
    }
    let entry = json!({"auth": {"api_key": auth.api_keys}});
    let lines = toml::to_string(&entry).map_err(|error| Failure(1, error.to_string()))?;
    let key = key.expose();
    let lines = lines.trim_end();
    let text = format!("{key}\n\n# The key is shown this once. Add to the node's configuration:\n{lines}");
    Ok((0, text))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;

//! `rialto access`: whose word a server does not take any more.

use std::time::{Duration, SystemTime};

use clap::{ArgGroup, Args, Subcommand};
use rialto_client::{
    PageOf, Revoked,
    v1::{Durability, Revocation, revoked::What},
};
use serde_json::{Value, json};

use super::{
    connection::ConnectionArgs,
    failure::Failure,
    output::{Output, counted},
};

/// Revoke users, tokens and sessions.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// End sessions, and take the word of a user, a token or a session no more
    Revoke(RevokeArgs),
    /// List what is revoked, the newest first
    List(ListArgs),
    /// End a revocation before its time; without one it ends with exit code 1
    Reinstate(ReinstateArgs),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(false).args(["user", "token_id", "session"])))]
struct WhatArgs {
    /// A user, with all tokens that were made until now
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A token, by its id (`jti`)
    #[arg(long, value_name = "ID")]
    token_id: Option<String>,
    /// A session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    what: WhatArgs,
    /// How long it is kept: longer than any token lives that it is about
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
    keep: Duration,
    /// Why, for the list
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Args)]
struct ReinstateArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    what: WhatArgs,
}

impl WhatArgs {
    fn revoked(self) -> Result<Revoked, Failure> {
        let Self { user, token_id, session } = self;
        let one = [user.map(Revoked::User), token_id.map(Revoked::Token), session.map(Revoked::Session)];
        one.into_iter()
            .flatten()
            .next()
            .ok_or_else(|| Failure::Usage("--user, --token-id or --session is needed".to_owned()))
    }
}

impl AccessArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        match &self.command {
            AccessCommand::Revoke(args) => &args.connection,
            AccessCommand::List(args) => &args.connection,
            AccessCommand::Reinstate(args) => &args.connection,
        }
    }
}

/// Runs `rialto access` to its end.
pub(super) async fn run(args: AccessArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        AccessCommand::Revoke(args) => revoke(args, output).await,
        AccessCommand::List(args) => list(args, output).await,
        AccessCommand::Reinstate(args) => reinstate(args, output).await,
    }
}

async fn revoke(args: RevokeArgs, output: &Output) -> Result<(), Failure> {
    let admin = args.connection.client()?.admin();
    let done = admin.revoke(args.what.revoked()?, Some(args.keep), args.reason).await?;
    let durability = done.durability();
    if args.connection.json {
        return output.json(&json!({
            "type": "revoked",
            "sessions_ended": done.sessions_ended,
            "nodes_missing": done.nodes_missing,
            "durability": durability.as_str_name().trim_start_matches("DURABILITY_").to_lowercase(),
        }));
    }
    output.line(&format!("revoked; {} ended", counted(done.sessions_ended, "session")))?;
    if durability == Durability::Memory {
        output.complain("the server keeps nothing: it is forgotten when the server ends");
    }
    missing(&done.nodes_missing, output);
    Ok(())
}

async fn list(args: ListArgs, output: &Output) -> Result<(), Failure> {
    let admin = args.connection.client()?.admin();
    let mut page = PageOf::default();
    loop {
        let revocations = admin.revocations(page).await?;
        for revocation in &revocations.items {
            if args.connection.json {
                output.json(&revocation_json(revocation))?;
            } else {
                output.line(&revocation_line(revocation))?;
            }
        }
        if revocations.next.is_empty() {
            return Ok(());
        }
        page = PageOf { size: 0, token: revocations.next };
    }
}

async fn reinstate(args: ReinstateArgs, output: &Output) -> Result<(), Failure> {
    let admin = args.connection.client()?.admin();
    let done = admin.reinstate(args.what.revoked()?).await?;
    if !done.was_revoked {
        return Err(Failure::Local("that was not revoked".to_owned()));
    }
    if args.connection.json {
        return output.json(&json!({ "type": "reinstated", "nodes_missing": done.nodes_missing }));
    }
    output.line("taken back")?;
    missing(&done.nodes_missing, output);
    Ok(())
}

fn missing(nodes: &[String], output: &Output) {
    if !nodes.is_empty() {
        output.complain(&format!("not reached, and following as soon as they are: {}", nodes.join(", ")));
    }
}

/// Of what kind it is, its name, since when and until when.
fn parts(revocation: &Revocation) -> (&'static str, &str, [String; 2]) {
    let (kind, name) = match revocation.revoked.as_ref().and_then(|revoked| revoked.what.as_ref()) {
        Some(What::User(name)) => ("user", name.as_str()),
        Some(What::TokenId(id)) => ("token", id.as_str()),
        Some(What::SessionId(id)) => ("session", id.as_str()),
        None => ("unknown", ""),
    };
    let time = |at: Option<prost_types::Timestamp>| {
        let at = at.and_then(|at| SystemTime::try_from(at).ok());
        at.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default()
    };
    (kind, name, [time(revocation.revoked_at), time(revocation.kept_until)])
}

fn revocation_json(revocation: &Revocation) -> Value {
    let (kind, name, [since, until]) = parts(revocation);
    json!({
        "type": "revocation",
        "kind": kind,
        "name": name,
        "revoked_at": since,
        "kept_until": until,
        "reason": revocation.reason,
    })
}

fn revocation_line(revocation: &Revocation) -> String {
    let (kind, name, [since, until]) = parts(revocation);
    let reason = if revocation.reason.is_empty() { "" } else { "  " };
    let text = format!("{kind} {name}  since {since}, until {until}{reason}{}", revocation.reason);
    super::output::harmless(&text).into_owned()
}

//! `rialto serve`: gathers the configuration (defaults, file, variables, flags), starts the node, says where it is,
//! waits for a signal and stops in stages. What a node is, `node.rs` knows. Exit codes: 0 stopped or valid, 1 could
//! not start, 2 the configuration is wrong, 128 + signal when told to stop at once.

use std::{
    error::Error,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgAction, builder::BoolishValueParser};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    auth::Authenticator,
    base::{
        config::{Config, ConfigError, DEFAULT_TOML, LogFormat, TlsConfig, is_public},
        telemetry,
    },
    node::Node,
};

const FAILED: u8 = 1;
const MISCONFIGURED: u8 = 2;

/// Start a node.
///
/// Without any flag it listens on 127.0.0.1:7400 and lets everybody on this machine do everything.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", env = "RIALTO_LISTEN")]
    listen: Option<SocketAddr>,
    /// Directory of durable data
    #[arg(long, value_name = "DIR", env = "RIALTO_DATA")]
    data: Option<PathBuf>,
    /// Configuration file (TOML); see --print-config
    #[arg(long, value_name = "FILE", env = "RIALTO_CONFIG")]
    config: Option<PathBuf>,
    /// Addresses of NATS that join several nodes, separated by commas
    #[arg(long, value_name = "URLS", env = "RIALTO_NATS")]
    nats: Option<String>,
    /// Addresses of the monitors of all servers of NATS, separated by commas: they tell whether what is stored is synced.
    #[arg(long, value_name = "URLS", env = "RIALTO_NATS_MONITORS")]
    nats_monitors: Option<String>,
    /// Permit an address that others can reach although nothing is authenticated
    #[arg(long, env = "RIALTO_INSECURE", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    insecure: bool,
    /// PEM file with the certificate chain
    #[arg(long, value_name = "FILE", env = "RIALTO_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE", env = "RIALTO_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace, also by module
    #[arg(long, value_name = "LEVEL", env = "RIALTO_LOG")]
    log: Option<String>,
    /// Shape of log lines
    #[arg(long, value_name = "FORMAT", env = "RIALTO_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// Check the configuration and stop
    #[arg(long, conflicts_with = "print_config")]
    check: bool,
    /// Print a configuration file with every key, its meaning and its default
    #[arg(long)]
    print_config: bool,
}

impl ServeArgs {
    /// The configuration that holds after defaults, file, variables and flags.
    pub fn configuration(&self) -> Result<Config, ConfigError> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.data = self.data.clone().unwrap_or(config.data);
        config.insecure |= self.insecure;
        config.cluster.nats = self.nats.clone().unwrap_or(config.cluster.nats);
        config.cluster.monitors = self.nats_monitors.clone().unwrap_or(config.cluster.monitors);
        if let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) {
            config.tls = Some(TlsConfig { certificate, key });
        }
        config.log.level = self.log.clone().unwrap_or(config.log.level);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        validate(&config)?;
        Ok(config)
    }
}

/// All that can be known about `config` without starting.
fn validate(config: &Config) -> Result<(), ConfigError> {
    config.check()?;
    Authenticator::new(&config.auth)?;
    telemetry::check_level(&config.log.level).map_err(|error| ConfigError::invalid("log.level", error))?;
    let own = config.tls.iter().flat_map(|tls| [tls.certificate.as_path(), tls.key.as_path()]);
    for file in own.chain(config.cluster.files().map(|(_, file)| file)) {
        readable(file)?;
    }
    Ok(())
}

fn readable(path: &Path) -> Result<(), ConfigError> {
    // Directories open as well, but cannot be read.
    let read = |path| io::Read::read(&mut std::fs::File::open(path)?, &mut [0]);
    read(path).map(drop).map_err(|error| ConfigError::Unreadable { path: path.display().to_string(), error })
}

/// Runs `rialto serve` to its end.
pub async fn run(args: ServeArgs) -> ExitCode {
    if args.print_config {
        return say(DEFAULT_TOML);
    }
    let config = match args.configuration() {
        Ok(config) => config,
        Err(error) => return complain(MISCONFIGURED, &error.to_string()),
    };
    if args.check {
        return say("the configuration is valid\n");
    }
    if let Err(error) = telemetry::init(&config.log) {
        return complain(MISCONFIGURED, &error.to_string());
    }
    let signals = Signals::listen();
    match signals {
        Ok(signals) => Box::pin(serve(config, signals)).await,
        Err(error) => complain(FAILED, &format!("cannot listen for signals: {error}")),
    }
}

async fn serve(config: Config, mut signals: Signals) -> ExitCode {
    let (shown, listen) = (config.clone(), config.listen);
    let started = tokio::select! {
        started = Node::start(config) => started,
        code = signals.next() => return ExitCode::from(code),
    };
    let node = match started {
        Ok(node) => node,
        Err(error) => return complain(FAILED, &explain(&error, listen)),
    };
    // Whoever started the node may have closed its output; the node runs all the same.
    say(&welcome(&shown, node.address()));
    signals.next().await;
    complain(0, "stopping; once more to stop at once");
    tokio::select! {
        () = node.stop() => ExitCode::SUCCESS,
        // Not by returning: the runtime would wait for what the node is doing.
        code = signals.next() => std::process::exit(code.into()),
    }
}

/// What a person sees once the node is there.
fn welcome(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let near = SocketAddr::new(reachable(address.ip()), address.port());
    let mut text = format!("Rialto {} is listening on {address}\n\n", env!("CARGO_PKG_VERSION"));
    if config.web.pages {
        text += &format!("  chat    {scheme}://{near}/\n");
    }
    text += &format!("  gRPC    {scheme}://{near}\n");
    text += &format!("  data    {}\n", config.data.display());
    let access = match (config.auth.is_open(), is_public(address.ip())) {
        (false, _) => "with a token or a key",
        (true, false) => "open to everybody on this machine (no [auth] is configured)",
        (true, true) => "OPEN TO EVERYBODY who reaches this address (--insecure)",
    };
    text += &format!("  access  {access}\n\nCtrl-C stops it.\n");
    text
}

/// An address that a browser on this machine can open.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// A sentence for whoever tried to start the node.
fn explain(error: &(dyn Error + 'static), listen: SocketAddr) -> String {
    let mut cause = Some(error);
    while let Some(at) = cause {
        match at.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::AddrInUse) => {
                return format!("{listen} is taken by another program; choose another address with --listen");
            }
            Some(io::ErrorKind::AddrNotAvailable) => {
                return format!(
                    "{listen} is not an address of this machine; choose another one with --listen"
                );
            }
            _ => cause = at.source(),
        }
    }
    error.to_string()
}

/// The two signals that stop a node. Listened for from before the start, so that none is lost.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for either and gives the exit code that stands for it.
    ///
    /// *Cancel safety*: no signal is lost.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(FAILED, &format!("cannot write: {error}")),
    }
}

fn complain(code: u8, text: &str) -> ExitCode {
    // There is nobody to tell when standard error is closed.
    writeln!(io::stderr().lock(), "rialto: {text}").ok();
    ExitCode::from(code)
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;

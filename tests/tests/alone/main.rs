//! What is about one process, its disk, its memory and its end.

mod cli_import;
mod data;
mod delta_hub;
mod disks;
mod grpcurl_page;
mod jetstream;
mod jobs_kills;
mod kills;
mod power;
mod proxy;
mod stopping;

//! CPU time of a process together with all that it started, whether they still run or have ended: a server that forks to
//! rewrite its log, or that has helpers, has used what they used.

use std::{collections::HashMap, fs, time::Duration};

use crate::Failure;

/// `CLK_TCK`: Linux counts CPU time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// One process, as `/proc/…/stat` tells.
#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    /// Ticks that it used, and those of its children that it has waited for.
    ticks: u32,
}

/// CPU time used so far by process `root` and by all below it, in user space and in the kernel.
pub(crate) fn cpu(root: u32) -> Result<Duration, Failure> {
    let all = all()?;
    if !all.contains_key(&root) {
        return Err(format!("process {root} has ended").into());
    }
    let below = |start: &u32| {
        let mut id = *start;
        // A chain of parents is short; the bound is for one that changes while it is read.
        for _ in 0..64 {
            match all.get(&id) {
                _ if id == root => return true,
                Some(stat) => id = stat.parent,
                None => return false,
            }
        }
        false
    };
    let ticks = all.iter().filter(|(id, _)| below(id)).map(|(_, stat)| stat.ticks).sum::<u32>();
    Ok(TICK * ticks)
}

/// All processes. One that ends while this looks is left out.
fn all() -> Result<HashMap<u32, Stat>, Failure> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else { continue };
        all.insert(id, parse(&text).ok_or("/proc/…/stat is malformed")?);
    }
    Ok(all)
}

fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

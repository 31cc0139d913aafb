//! Which cells are measured. A cell is a number of members and a number of events per second; the three rates of the
//! grid are the same in deliveries per second for every number of members.

use std::{fmt, str::FromStr};

use crate::Failure;

const MEMBERS_FULL: [usize; 4] = [10, 100, 1_000, 5_000];
const MEMBERS_SHORT: [usize; 2] = [100, 1_000];
/// Deliveries per second: little to do; about half of what the slowest peer can; more than some peers can.
const LOADS_FULL: [usize; 3] = [5_000, 50_000, 200_000];
const LOADS_SHORT: [usize; 2] = [50_000, 200_000];
/// One sender is asked for at most so many events per second, so that it stays a small part of the load.
const RATE_MAX: usize = 10_000;

/// One cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// Members of the room, each on a connection of its own.
    pub(crate) members: usize,
    /// Events per second that the sender intends.
    pub(crate) rate: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members · {}/s", self.members, self.rate)
    }
}

impl FromStr for Cell {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (members, rate) = text.split_once('x').ok_or("a cell is written like 1000x50")?;
        let cell = Self { members: members.parse()?, rate: rate.parse()? };
        if cell.members == 0 || cell.rate == 0 {
            return Err("a cell has at least one member and one event per second".into());
        }
        Ok(cell)
    }
}

/// The cells of a run.
pub(crate) fn cells(full: bool) -> Vec<Cell> {
    let (members, loads) =
        if full { (&MEMBERS_FULL[..], &LOADS_FULL[..]) } else { (&MEMBERS_SHORT[..], &LOADS_SHORT[..]) };
    let rate = |members: usize, load: usize| (load / members).clamp(1, RATE_MAX);
    members
        .iter()
        .flat_map(|&members| loads.iter().map(move |&load| Cell { members, rate: rate(members, load) }))
        .collect()
}

/// The most members in any of `cells`.
pub(crate) fn members_max(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| cell.members).max().unwrap_or(0)
}

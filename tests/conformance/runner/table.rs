//! The table client × scenario.

use std::fmt;

/// What became of a scenario with a client; `None` when the client cannot have it.
type Cell = Option<Result<(), String>>;

/// Rows are scenarios, columns clients.
#[derive(Debug)]
pub(crate) struct Table {
    scenarios: Vec<String>,
    columns: Vec<(String, Vec<Cell>)>,
}

impl Table {
    /// A table without columns.
    pub(crate) fn new(scenarios: impl Iterator<Item = String>) -> Self {
        Self { scenarios: scenarios.collect(), columns: Vec::new() }
    }

    /// Adds what became of the scenarios, in their order, with one client.
    pub(crate) fn add(&mut self, client: &str, cells: Vec<Cell>) {
        self.columns.push((client.to_owned(), cells));
    }

    /// Holds when nothing failed.
    pub(crate) fn is_green(&self) -> bool {
        self.columns.iter().flat_map(|(_, cells)| cells).all(|cell| !matches!(cell, Some(Err(_))))
    }
}

fn mark(cell: &Cell) -> &'static str {
    match cell {
        None => "–",
        Some(Ok(())) => "✓",
        Some(Err(_)) => "FAILED",
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.scenarios.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        write!(f, "{:wide$}", "")?;
        self.columns.iter().try_for_each(|(client, _)| write!(f, "  {client}"))?;
        writeln!(f)?;
        for (row, scenario) in self.scenarios.iter().enumerate() {
            write!(f, "{scenario:wide$}")?;
            for (client, cells) in &self.columns {
                write!(f, "  {:^1$}", mark(&cells[row]), client.chars().count())?;
            }
            writeln!(f)?;
        }
        for (client, cells) in &self.columns {
            for (scenario, cell) in self.scenarios.iter().zip(cells) {
                if let Some(Err(wrong)) = cell {
                    writeln!(f, "\n{client}: {scenario}\n  {wrong}")?;
                }
            }
        }
        for (client, cells) in &self.columns {
            let passed = cells.iter().filter(|cell| matches!(cell, Some(Ok(())))).count();
            let had = cells.iter().flatten().count();
            writeln!(f, "conformance of {client}: {passed} of {had} scenarios")?;
        }
        Ok(())
    }
}

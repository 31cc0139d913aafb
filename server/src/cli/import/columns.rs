//! What the columns of a file are called, and what must hold in each of them. What a column is follows from its name, so that any
//! file can be imported and common ones are checked. Pure.

use jiff::{Timestamp, civil};

use super::rows::Fields;

/// Bytes of the header as it stands in a checkpoint.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Why a row is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    /// The column; empty for the row as a whole.
    pub(super) column: String,
    /// For people.
    pub(super) reason: String,
}

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    names: Vec<String>,
    kinds: Vec<Kind>,
}

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything.
    Text,
    /// Something.
    Name,
    /// An address of electronic mail.
    Email,
    /// A number, or nothing.
    Number,
    /// A day or a moment as ISO 8601 has them, or nothing.
    Time,
}

impl Kind {
    fn of(name: &str) -> Self {
        let name = name.to_lowercase();
        let words: Vec<&str> = name.split(|letter: char| !letter.is_alphanumeric()).collect();
        let is = |known: &[&str]| words.iter().any(|word| known.contains(word));
        if name == "e-mail" || is(&["email", "mail"]) {
            Self::Email
        } else if is(&["date", "birthday", "timestamp"]) || words.last() == Some(&"at") {
            Self::Time
        } else if is(&["amount", "price", "total", "quantity", "count", "age"]) {
            Self::Number
        } else if is(&["id", "name"]) {
            Self::Name
        } else {
            Self::Text
        }
    }

    /// What is wrong with a value.
    fn check(self, value: &str) -> Option<&'static str> {
        let value = value.trim();
        match self {
            Self::Name | Self::Email if value.is_empty() => Some("is empty"),
            Self::Email if !is_address(value) => Some("is not an address"),
            Self::Number if !value.is_empty() && !is_number(value) => Some("is not a number"),
            Self::Time if !value.is_empty() && !is_time(value) => Some("is not a date like 2026-11-30"),
            _ => None,
        }
    }
}

impl Columns {
    /// Those of a header. What is wrong with it is for people.
    pub(super) fn of(header: Fields<'_>) -> Result<Self, String> {
        let mut names = Vec::new();
        for (index, field) in header.iter().enumerate() {
            let name = std::str::from_utf8(field).map_err(|_| "the header is not UTF-8".to_owned())?.trim();
            let name = if name.is_empty() { format!("column {}", index + 1) } else { name.to_owned() };
            if names.contains(&name) {
                return Err(format!("the header has the column {name:?} twice"));
            }
            names.push(name);
        }
        // Control characters are longer there than they are.
        if serde_json::json!(names).to_string().len() > HEADER_BYTES_MAX {
            return Err(format!("the header has more than {HEADER_BYTES_MAX} bytes"));
        }
        Ok(Self::named(names))
    }

    /// Those of these names.
    pub(super) fn named(names: Vec<String>) -> Self {
        let kinds = names.iter().map(|name| Kind::of(name)).collect();
        Self { names, kinds }
    }

    /// What they are called.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The values of a row, or why it is rejected.
    pub(super) fn check<'a>(&self, row: Fields<'a>) -> Result<Vec<&'a str>, Rejection> {
        let whole = |reason: String| Rejection { column: String::new(), reason };
        if row.count() != self.names.len() {
            let fields = if row.count() == 1 { "field" } else { "fields" };
            return Err(whole(format!("has {} {fields} instead of {}", row.count(), self.names.len())));
        }
        let mut values = Vec::with_capacity(self.names.len());
        for ((name, kind), field) in self.names.iter().zip(&self.kinds).zip(row.iter()) {
            let wrong = |reason: &str| Rejection { column: name.clone(), reason: reason.to_owned() };
            let value = std::str::from_utf8(field).map_err(|_| wrong("is not UTF-8"))?;
            if let Some(reason) = kind.check(value) {
                return Err(wrong(reason));
            }
            values.push(value);
        }
        Ok(values)
    }
}

/// One `@`, something before it, and a name with a dot behind it. Whether mail arrives there is another question.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |text: &str| !text.contains(|letter: char| letter.is_whitespace() || letter == '@');
    let labels: Vec<&str> = domain.split('.').collect();
    !local.is_empty()
        && plain(text.replacen('@', "", 1).as_str())
        && labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_time(text: &str) -> bool {
    text.parse::<civil::Date>().is_ok()
        || text.parse::<civil::DateTime>().is_ok()
        || text.parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::rows::{Place, Rows};

    fn with<T>(line: &[u8], then: impl Fn(Fields<'_>) -> T) -> T {
        let mut found = None;
        let mut rows = Rows::new(b',', Place { at: 0, line: 1 });
        rows.read(line, |row| found = row.fields.map(&then));
        rows.read(b"\n", |row| found = row.fields.map(&then));
        found.expect("a row")
    }

    fn verdict(columns: &Columns, line: &[u8]) -> String {
        with(line, |row| match columns.check(row) {
            Ok(values) => values.join("|"),
            Err(Rejection { column, reason }) => format!("{column}: {reason}"),
        })
    }

    #[test]
    fn what_is_in_a_column_follows_from_its_name() {
        let kinds = [
            ("name", Kind::Name),
            ("First Name", Kind::Name),
            ("order_id", Kind::Name),
            ("E-Mail", Kind::Email),
            ("email", Kind::Email),
            ("unit price", Kind::Number),
            ("created_at", Kind::Time),
            ("birthday", Kind::Time),
            ("at home", Kind::Text),
            ("notes", Kind::Text),
            ("username", Kind::Text),
        ];
        for (name, kind) in kinds {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn rows_are_checked_and_what_is_wrong_is_said() {
        let columns = with(b"name,email,price,date", Columns::of).unwrap();
        for (line, expected) in [
            (&b"ann,ann@example.org,1.5,2026-11-30"[..], "ann|ann@example.org|1.5|2026-11-30"),
            (b"ann,ann@example.org,,", "ann|ann@example.org||"),
            (
                b"ann,ann@example.org,-3e2,2026-11-30T12:00:00Z",
                "ann|ann@example.org|-3e2|2026-11-30T12:00:00Z",
            ),
            (b"bob,nobody,1,", "email: is not an address"),
            (b"bob,a@b@c.d,1,", "email: is not an address"),
            (b"bob,a b@c.d,1,", "email: is not an address"),
            (b"bob,a@b,1,", "email: is not an address"),
            (b"bob,a@b.,1,", "email: is not an address"),
            (b" ,a@b.c,1,", "name: is empty"),
            (b"bob,,1,", "email: is empty"),
            (b"bob,a@b.c,much,", "price: is not a number"),
            (b"bob,a@b.c,inf,", "price: is not a number"),
            (b"bob,a@b.c,1,2026-13-01", "date: is not a date like 2026-11-30"),
            (b"bob,a@b.c", ": has 2 fields instead of 4"),
            (b"b\xff,a@b.c,1,", "name: is not UTF-8"),
        ] {
            assert_eq!(verdict(&columns, line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_header_that_makes_no_sense_is_refused() {
        assert_eq!(with(b"a,,c", Columns::of).unwrap().names(), ["a", "column 2", "c"]);
        assert_eq!(with(b"a,a", Columns::of).unwrap_err(), "the header has the column \"a\" twice");
        assert_eq!(with(b"a,\xff", Columns::of).unwrap_err(), "the header is not UTF-8");
        let long = "x".repeat(HEADER_BYTES_MAX + 1);
        assert!(with(long.as_bytes(), Columns::of).unwrap_err().contains("more than"));
    }
}

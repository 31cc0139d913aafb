//! The rows of a CSV file, however its bytes come. Nothing in it is an error: a row that cannot be read is one that says so. Pure.
//!
//! Rows end where RFC 4180 says, with CRLF, LF or CR; empty lines are passed over. Reading can go on behind any row.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Bytes of all fields of a row. A quotation mark that is never closed makes the rest of a file one row.
const ROW_BYTES_MAX: usize = 1 << 20;
/// Fields of a row.
const FIELDS_MAX: usize = 1_024;
/// What fields may be separated by; of those that are equally frequent in the header the first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Where a row stands and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// Its fields; `None` when it is too long.
    pub(super) fields: Option<Fields<'a>>,
}

/// The fields of a row, without their quotation marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub(super) fn count(self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(self.ends).filter_map(move |(begin, end)| self.bytes.get(begin..*end))
    }
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte, from 0.
    pub(super) at: u64,
    /// The line, from 1.
    pub(super) line: u64,
}

/// Reads rows from bytes that come in pieces.
pub(super) struct Rows {
    reader: Reader,
    /// Behind what was read.
    place: Place,
    /// Where the row that is being read begins.
    begin: Place,
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    is_too_long: bool,
}

impl Rows {
    /// From some place on, which is the beginning or behind a row.
    pub(super) fn new(delimiter: u8, place: Place) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            place,
            begin: place,
            fields: vec![0; ROW_BYTES_MAX],
            fields_len: 0,
            ends: vec![0; FIELDS_MAX],
            ends_len: 0,
            is_too_long: false,
        }
    }

    /// Behind the last row that was read whole.
    pub(super) fn behind_rows(&self) -> Place {
        self.begin
    }

    /// Reads the rows that end in `input`.
    pub(super) fn read(&mut self, mut input: &[u8], mut each: impl FnMut(Row<'_>)) {
        while let Some((&first, rest)) = input.split_first() {
            if self.place == self.begin && matches!(first, b'\r' | b'\n') {
                self.pass(&[first]);
                self.begin = self.place;
                input = rest;
                continue;
            }
            let read = self.step(input, &mut each);
            input = &input[read..];
        }
    }

    /// There is nothing more: reads the last row, if it has no line end.
    pub(super) fn end(&mut self, mut each: impl FnMut(Row<'_>)) {
        // Once more when the end does not fit.
        for _ in 0..2 {
            if self.place != self.begin {
                self.step(&[], &mut each);
            }
        }
    }

    /// Reads on, at most to the end of a row, and returns how many bytes that took.
    fn step(&mut self, input: &[u8], each: &mut impl FnMut(Row<'_>)) -> usize {
        let (fields, ends) = (&mut self.fields[self.fields_len..], &mut self.ends[self.ends_len..]);
        let (result, read, fields_read, ends_read) = self.reader.read_record(input, fields, ends);
        self.pass(&input[..read]);
        self.fields_len += fields_read;
        self.ends_len += ends_read;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                self.is_too_long = true;
                (self.fields_len, self.ends_len) = (0, 0);
            }
            ReadRecordResult::Record | ReadRecordResult::End => {
                let whole =
                    Fields { bytes: &self.fields[..self.fields_len], ends: &self.ends[..self.ends_len] };
                let fields = (!self.is_too_long).then_some(whole);
                if self.is_too_long || whole.count() > 0 {
                    each(Row { line: self.begin.line, fields });
                }
                (self.fields_len, self.ends_len, self.is_too_long) = (0, 0, false);
                self.begin = self.place;
            }
        }
        read
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.place.at += bytes.len() as u64;
        self.place.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

/// What separates the fields of a file that begins so: what is most frequent in its first line outside of quotation marks.
pub(super) fn delimiter(begin: &[u8]) -> u8 {
    let (mut counts, mut is_quoted) = ([0_usize; DELIMITERS.len()], false);
    for byte in begin.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\r' | b'\n' if !is_quoted => break,
            _ if !is_quoted => {
                let known = DELIMITERS.iter().position(|delimiter| delimiter == byte);
                known.into_iter().for_each(|index| counts[index] += 1);
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let index = counts.iter().position(|count| *count == most).unwrap_or_default();
    DELIMITERS[index]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGIN: Place = Place { at: 0, line: 1 };

    type Read = (u64, Option<Vec<Vec<u8>>>);

    fn take(rows: &mut Rows, input: &[u8], all: &mut Vec<(Read, Place)>) {
        // Byte by byte, so that the place behind each row is known.
        for byte in input {
            let mut row = None;
            rows.read(&[*byte], |read| row = Some(owned(read)));
            all.extend(row.map(|row| (row, rows.behind_rows())));
        }
    }

    fn owned(row: Row<'_>) -> Read {
        (row.line, row.fields.map(|fields| fields.iter().map(<[u8]>::to_vec).collect()))
    }

    fn whole(text: &[u8]) -> Vec<Read> {
        let (mut rows, mut all) = (Rows::new(b',', BEGIN), Vec::new());
        rows.read(text, |row| all.push(owned(row)));
        rows.end(|row| all.push(owned(row)));
        all
    }

    fn texts(text: &str) -> Vec<(u64, Vec<String>)> {
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let rows = whole(text.as_bytes()).into_iter();
        rows.map(|(line, fields)| (line, fields.unwrap().into_iter().map(text_of).collect())).collect()
    }

    #[test]
    fn rows_are_read_with_their_lines_whatever_ends_them() {
        let expected = [(1, vec!["a".to_owned(), "b".to_owned()]), (2, vec!["1".to_owned(), String::new()])];
        for text in ["a,b\n1,\n", "a,b\r\n1,\r\n", "a,b\n1,", "\"a\",b\n1,\"\""] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
        assert_eq!(texts("a\n\n\nb")[1].0, 4, "empty lines count");
        assert_eq!(texts("\"a\nb\"\r\nc"), [(1, vec!["a\nb".to_owned()]), (3, vec!["c".to_owned()])]);
        assert_eq!(texts("\"a \"\"b\"\"\""), [(1, vec!["a \"b\"".to_owned()])]);
        assert_eq!(texts("\n\n"), []);
    }

    #[test]
    fn a_row_that_is_too_long_says_so_and_the_next_one_is_read() {
        let long = format!("a\n{}\nb\n", "x".repeat(ROW_BYTES_MAX + 1));
        let rows = whole(long.as_bytes());
        assert_eq!(rows[1], (2, None));
        assert_eq!(rows[2], (3, Some(vec![b"b".to_vec()])));
        let open = format!("a\n\"{}", "x\n".repeat(ROW_BYTES_MAX));
        assert_eq!(whole(open.as_bytes())[1..], [(2, None)], "a quotation mark is not closed");
        let many = format!("a\n{}\nb", ",".repeat(3 * FIELDS_MAX));
        assert_eq!(whole(many.as_bytes())[1], (2, None));
        assert_eq!(whole(many.as_bytes()).len(), 3);
    }

    #[test]
    fn what_is_most_frequent_in_the_first_line_separates_fields() {
        assert_eq!(delimiter(b"name,email\n;;;;"), b',');
        assert_eq!(delimiter(b"\r\nname;\"a,b,c\";x\n,,,,,,"), b';');
        assert_eq!(delimiter(b"a\tb"), b'\t');
        assert_eq!(delimiter(b"alone"), b',');
        assert_eq!(delimiter(b""), b',');
    }

    proptest! {
        #[test]
        fn rows_are_the_same_in_whatever_pieces_they_come_and_wherever_reading_goes_on(
            text in proptest::collection::vec(prop_oneof![
                4 => Just(b'a'), 2 => Just(b','), 2 => Just(b'"'), 2 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>(),
            ], 0..120),
            cut in 0_usize..120,
        ) {
            let expected = whole(&text);
            let (first, second) = text.split_at(cut.min(text.len()));
            let (mut rows, mut all) = (Rows::new(b',', BEGIN), Vec::new());
            for piece in [first, second] {
                rows.read(piece, |row| all.push(owned(row)));
            }
            rows.end(|row| all.push(owned(row)));
            prop_assert_eq!(&all, &expected);
            let (mut rows, mut placed) = (Rows::new(b',', BEGIN), Vec::new());
            take(&mut rows, &text, &mut placed);
            for (index, (_, place)) in placed.iter().enumerate() {
                let (mut rows, mut rest) = (Rows::new(b',', *place), Vec::new());
                rows.read(&text[place.at as usize..], |row| rest.push(owned(row)));
                rows.end(|row| rest.push(owned(row)));
                prop_assert_eq!(&rest[..], &expected[index + 1..]);
            }
        }
    }
}

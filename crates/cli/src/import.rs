//! `tenterhook import`: brings users of a CSV file into an org, without passwords. Each password is imported by the org's hook when its
//! user signs in for the first time.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use clap::Args;
use csv::{Reader, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use tenterhook_contract::profile::{AttributeKind, ProfileSchema};
use tenterhook_management::{
    administrator::ManagementError,
    users::import::{Armed, Import, Progress},
};
use tenterhook_store::StoreError;

use crate::{Error, config::Config, orgs, tool};

/// Bytes of a row at most; a quotation mark without its partner would make a row of the whole file.
const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Rows after which the progress is shown.
const SHOWN_EVERY: u64 = 1_000;
/// How often a row is tried that the database does not take at present.
const TRIES_MAX: u32 = 4;
/// How long the second try waits; each further one waits twice as long.
const WAIT: Duration = Duration::from_millis(250);
/// Rows that fail one after the other until the command gives up: it is not the rows.
const FAILED_IN_A_ROW_MAX: u32 = 20;

/// What to import.
#[derive(Args)]
pub(crate) struct Options {
    /// The CSV file. Its first row names attributes of the org's user schema, `login`, `email`, `firstName` and `lastName` among them.
    file: PathBuf,
    /// Add the users of the file, and let the org's password import hook verify each password at the first sign-in. The command
    /// arms a known user without a password too, and changes no other known user.
    #[arg(long, required_unless_present = "report")]
    password_hook: bool,
    /// Change nothing, and count how many of the users have a password by now, because they have signed in.
    #[arg(long, conflicts_with = "password_hook")]
    report: bool,
    /// The org, by its host or id; the default one without it.
    #[arg(long)]
    org: Option<String>,
}

/// A file that is read a row at a time.
struct Rows {
    reader: Reader<Bounded<File>>,
    names: Vec<String>,
    rest: Rc<Cell<usize>>,
}

/// Reads so many bytes for a row, and no more.
struct Bounded<R> {
    inner: R,
    rest: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.get() == 0 {
            let text = format!("a row has more than {ROW_BYTES_MAX} bytes; a quotation mark may lack its partner");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let read = self.inner.read(buffer)?;
        self.rest.set(self.rest.get().saturating_sub(read));
        Ok(read)
    }
}

/// A row of the file.
enum Row {
    /// Its line, and its attributes.
    Read(u64, Map<String, Value>),
    /// Its line, and what is wrong with it.
    Wrong(u64, String),
}

impl Rows {
    /// Opens the file and reads its first row.
    ///
    /// # Errors
    /// When it cannot be read, or names an attribute twice or one that the schema does not have.
    fn open(path: &Path, schema: &ProfileSchema) -> Result<Self, Error> {
        let shown = path.display();
        let file = File::open(path).map_err(|error| format!("cannot open {shown}: {error}"))?;
        let rest = Rc::new(Cell::new(ROW_BYTES_MAX));
        let mut reader = ReaderBuilder::new().from_reader(Bounded { inner: file, rest: Rc::clone(&rest) });
        let header = reader.headers().map_err(|error| format!("cannot read {shown}: {error}"))?;
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        for (place, name) in names.iter().enumerate() {
            if schema.attribute(name).is_none() {
                return Err(format!("{shown}, line 1: `{name}` is no attribute of the org's user schema").into());
            }
            if names.iter().take(place).any(|before| before == name) {
                return Err(format!("{shown}, line 1: `{name}` is there twice").into());
            }
        }
        Ok(Self { reader, names, rest })
    }

    /// The next row; an empty cell is an attribute that is not set.
    ///
    /// # Errors
    /// When the file cannot be read on.
    fn next(&mut self, schema: &ProfileSchema) -> Result<Option<Row>, Error> {
        self.rest.set(ROW_BYTES_MAX);
        let mut record = StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) if error.is_io_error() => {
                let line = self.reader.position().line();
                return Err(format!("the file cannot be read after line {line}: {error}").into());
            }
            // Only the kind of the error is told: the row may hold a password.
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let why = match error.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("it has {len} cells, and the first line {expected_len}")
                    }
                    _ => "it is not UTF-8".to_owned(),
                };
                return Ok(Some(Row::Wrong(line, why)));
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let cells = self.names.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        let attributes = cells.map(|(name, cell)| (name.clone(), value_of(schema, name, cell)));
        Ok(Some(Row::Read(line, attributes.collect())))
    }
}

/// A cell as a value of its attribute: a text as it is, a number, a truth or a list as JSON.
fn value_of(schema: &ProfileSchema, name: &str, cell: &str) -> Value {
    let is_text = schema.attribute(name).is_none_or(|attribute| matches!(attribute.kind, AttributeKind::Text { .. }));
    let parsed = if is_text { None } else { serde_json::from_str(cell).ok() };
    parsed.unwrap_or_else(|| Value::from(cell))
}

/// `import`. Returns whether every row could be taken.
pub(crate) async fn run(config: &Config, options: &Options) -> Result<bool, Error> {
    let platform = tool::platform(config).await?;
    let org = tool::find_org(config, platform.store(), options.org.as_deref().unwrap_or("default")).await?;
    let snapshot =
        platform.load_org(&org.id).await?.ok_or("The org is out of service: its configuration cannot be read")?;
    let schema = snapshot.profile_schema.clone();
    let rows = Rows::open(&options.file, &schema)?;
    let import = Import::begin(&platform, snapshot).await?;
    let done = if options.report { report(import, rows, &schema).await } else { arm(import, rows, &schema).await };
    orgs::close(&platform).await;
    done
}

/// What became of the rows of a file.
#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    /// Rows that are wrong.
    refused: u64,
    /// Rows that were right, and that the database did not take.
    failed: u64,
    failed_in_a_row: u32,
}

/// Whether the next row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Row,
    /// So many rows have failed that the next ones would fail too.
    End,
}

impl Counts {
    /// Counts a row, and says what is wrong with it if it was not taken.
    fn row<T>(&mut self, line: u64, done: Result<T, Problem>) -> (Option<T>, Next) {
        self.rows += 1;
        let (what, causes) = match done {
            Ok(done) => {
                self.failed_in_a_row = 0;
                return (Some(done), Next::Row);
            }
            Err(Problem::Wrong(causes)) => {
                self.refused += 1;
                self.failed_in_a_row = 0;
                ("", causes)
            }
            Err(Problem::Failed(cause)) => {
                self.failed += 1;
                self.failed_in_a_row += 1;
                ("failed: ", vec![cause])
            }
        };
        for cause in causes {
            anstream::eprintln!("line {line}: {what}{cause}");
        }
        if self.failed_in_a_row < FAILED_IN_A_ROW_MAX {
            return (None, Next::Row);
        }
        anstream::eprintln!("{FAILED_IN_A_ROW_MAX} rows in a row have failed: the rest of the file was not read");
        (None, Next::End)
    }

    /// Prints how many rows were not taken. Returns whether every row was.
    fn print(&self) -> Result<bool, Error> {
        tool::print(&format!("refused: {} (the row is wrong)", self.refused))?;
        tool::print(&format!("failed: {} (run the command again)", self.failed))?;
        Ok(self.refused == 0 && self.failed == 0)
    }
}

/// Why a row was not taken.
enum Problem {
    /// What is wrong with it.
    Wrong(Vec<String>),
    /// The row is right; a later try may succeed.
    Failed(String),
}

/// Does something with a row, again when the database does not take it at present, after `wait` and then after twice as long: whatever is
/// done with a row may be done twice.
async fn tried<T>(mut wait: Duration, mut work: impl AsyncFnMut() -> Result<T, ManagementError>) -> Result<T, Problem> {
    for _ in 1..TRIES_MAX {
        match work().await {
            Err(
                ManagementError::Contended
                | ManagementError::Store(StoreError::Unavailable(_) | StoreError::Unknown(_)),
            ) => {}
            done => return done.map_err(Problem::of),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    work().await.map_err(Problem::of)
}

impl Problem {
    fn of(error: ManagementError) -> Self {
        match error {
            ManagementError::Invalid { causes, .. } => Self::Wrong(causes),
            ManagementError::Contended => Self::Failed("the user is changed by others all the time".to_owned()),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Does `work` for each row, and tells `take` what it did and how many rows there were. Ends with the file, with an error of it, or when
/// too many rows have failed. The counts are those until then.
async fn each_row<T>(
    mut rows: Rows,
    schema: &ProfileSchema,
    mut work: impl AsyncFnMut(&Map<String, Value>) -> Result<T, ManagementError>,
    mut take: impl FnMut(Option<T>, &Counts),
) -> (Counts, Result<(), Error>) {
    let mut counts = Counts::default();
    loop {
        let (line, done) = match rows.next(schema) {
            Ok(None) => return (counts, Ok(())),
            Err(error) => return (counts, Err(error)),
            Ok(Some(Row::Wrong(line, why))) => (line, Err(Problem::Wrong(vec![why]))),
            Ok(Some(Row::Read(line, attributes))) => (line, tried(WAIT, async || work(&attributes).await).await),
        };
        let (done, next) = counts.row(line, done);
        take(done, &counts);
        if next == Next::End {
            return (counts, Ok(()));
        }
    }
}

/// Arms the user of each row. The counts are printed however it ends.
async fn arm(mut import: Import<'_>, rows: Rows, schema: &ProfileSchema) -> Result<bool, Error> {
    let (mut added, mut armed, mut before, mut with_password) = (0_u64, 0_u64, 0_u64, 0_u64);
    let take = |done: Option<Armed>, counts: &Counts| {
        match done {
            Some(Armed::Added) => added += 1,
            Some(Armed::Armed) => armed += 1,
            Some(Armed::Before) => before += 1,
            Some(Armed::HasPassword) => with_password += 1,
            None => {}
        }
        if counts.rows.is_multiple_of(SHOWN_EVERY) {
            anstream::eprintln!(
                "{} rows: {added} added, {} refused, {} failed",
                counts.rows,
                counts.refused,
                counts.failed
            );
        }
    };
    let (counts, end) = each_row(rows, schema, async |attributes| import.arm(attributes.clone()).await, take).await;
    tool::print(&format!("rows: {}", counts.rows))?;
    tool::print(&format!("added: {added}"))?;
    tool::print(&format!("armed: {armed} (they were there without a password)"))?;
    tool::print(&format!("armed before: {before}"))?;
    tool::print(&format!("left alone: {with_password} (they have a password)"))?;
    let complete = counts.print()?;
    end.map(|()| complete)
}

/// Counts how far the user of each row has come. The counts are printed however it ends.
async fn report(import: Import<'_>, rows: Rows, schema: &ProfileSchema) -> Result<bool, Error> {
    let (mut migrated, mut waiting, mut without, mut absent) = (0_u64, 0_u64, 0_u64, 0_u64);
    let take = |done: Option<Progress>, _: &Counts| match done {
        Some(Progress::Migrated) => migrated += 1,
        Some(Progress::Waiting) => waiting += 1,
        Some(Progress::WithoutPassword) => without += 1,
        Some(Progress::Absent) => absent += 1,
        None => {}
    };
    let (counts, end) = each_row(rows, schema, async |attributes| import.progress(attributes).await, take).await;
    tool::print(&format!("rows: {}", counts.rows))?;
    tool::print(&format!("migrated: {migrated} (their passwords were imported at a sign-in, or set since)"))?;
    tool::print(&format!("waiting: {waiting} (the hook is asked at their next sign-in)"))?;
    tool::print(&format!("without a password: {without} (not armed)"))?;
    tool::print(&format!("not in the org: {absent}"))?;
    let complete = counts.print()?;
    end.map(|()| complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> ManagementError {
        StoreError::Unavailable("locked".to_owned()).into()
    }

    /// The result of a row that fails so often, and how often it was tried.
    async fn tries(failures: u32, error: impl Fn() -> ManagementError) -> (Result<(), Problem>, u32) {
        let mut tries = 0;
        let done = tried(Duration::ZERO, async || {
            tries += 1;
            if tries > failures { Ok(()) } else { Err(error()) }
        })
        .await;
        (done, tries)
    }

    #[tokio::test]
    async fn a_row_that_the_database_does_not_take_at_present_is_tried_again_and_then_counted() {
        for (failures, counted, tried) in [(0, 0, 1), (1, 0, 2), (3, 0, 4), (4, 1, 4)] {
            for error in [|| ManagementError::Contended, unavailable] {
                let (done, tries) = tries(failures, error).await;
                let mut counts = Counts::default();
                let (done, next) = counts.row(7, done);
                assert_eq!((counts.rows, counts.failed, tries, next), (1, counted, tried, Next::Row), "{failures}");
                assert_eq!(done.is_none(), counted == 1, "{failures}");
            }
        }
        let lasting = || ManagementError::from(StoreError::Unreadable { what: "user", why: "damaged".to_owned() });
        let (done, tries) = tries(9, lasting).await;
        assert!(matches!(done, Err(Problem::Failed(why)) if why == "a stored user cannot be read: damaged"));
        assert_eq!(tries, 1, "another try would not help");
    }

    #[test]
    fn many_rows_that_fail_one_after_the_other_end_the_command() {
        let mut counts = Counts::default();
        let mut row = |problem: Result<(), Problem>| counts.row(1, problem).1;
        let failed = || Err(Problem::Failed("no disk".to_owned()));
        for other in [Ok(()), Err(Problem::Wrong(vec!["no login".to_owned()]))] {
            for _ in 1..FAILED_IN_A_ROW_MAX {
                assert_eq!(row(failed()), Next::Row);
            }
            assert_eq!(row(other), Next::Row, "it was the rows");
        }
        for _ in 1..FAILED_IN_A_ROW_MAX {
            assert_eq!(row(failed()), Next::Row);
        }
        assert_eq!(row(failed()), Next::End);
        assert_eq!((counts.rows, counts.refused, counts.failed), (60, 1, 58));
    }
}

//! `tenterhook import`: brings users of a CSV file into an org, without passwords. Each password is imported by the org's hook when its
//! user signs in for the first time.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use clap::Args;
use csv::{Reader, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use tenterhook_contract::profile::{AttributeKind, ProfileSchema};
use tenterhook_management::{
    administrator::ManagementError,
    users::import::{Armed, Import, Progress},
};

use crate::{Error, config::Config, orgs, tool};

/// Bytes of a row at most; a quotation mark without its partner would make a row of the whole file.
const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Rows after which the progress is shown.
const SHOWN_EVERY: u64 = 1_000;

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

/// Arms the user of each row.
async fn arm(mut import: Import<'_>, mut rows: Rows, schema: &ProfileSchema) -> Result<bool, Error> {
    let (mut added, mut armed, mut before, mut with_password, mut wrong) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let mut read = 0_u64;
    while let Some(row) = rows.next(schema)? {
        match row {
            Row::Wrong(line, why) => {
                wrong += 1;
                anstream::eprintln!("line {line}: {why}");
            }
            Row::Read(line, attributes) => match import.arm(attributes).await {
                Ok(Armed::Added) => added += 1,
                Ok(Armed::Armed) => armed += 1,
                Ok(Armed::Before) => before += 1,
                Ok(Armed::HasPassword) => with_password += 1,
                Err(error) => {
                    wrong += 1;
                    for cause in causes_of(error)? {
                        anstream::eprintln!("line {line}: {cause}");
                    }
                }
            },
        }
        read += 1;
        if read.is_multiple_of(SHOWN_EVERY) {
            anstream::eprintln!("{read} rows: {added} added, {wrong} refused");
        }
    }
    tool::print(&format!("rows: {read}"))?;
    tool::print(&format!("added: {added}"))?;
    tool::print(&format!("armed: {armed} (they were there without a password)"))?;
    tool::print(&format!("armed before: {before}"))?;
    tool::print(&format!("left alone: {with_password} (they have a password)"))?;
    tool::print(&format!("refused: {wrong}"))?;
    Ok(wrong == 0)
}

/// Counts how far the user of each row has come.
async fn report(import: Import<'_>, mut rows: Rows, schema: &ProfileSchema) -> Result<bool, Error> {
    let (mut migrated, mut waiting, mut without, mut absent, mut wrong) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    while let Some(row) = rows.next(schema)? {
        let (line, attributes) = match row {
            Row::Read(line, attributes) => (line, attributes),
            Row::Wrong(line, why) => {
                wrong += 1;
                anstream::eprintln!("line {line}: {why}");
                continue;
            }
        };
        match import.progress(&attributes).await {
            Ok(Progress::Migrated) => migrated += 1,
            Ok(Progress::Waiting) => waiting += 1,
            Ok(Progress::WithoutPassword) => without += 1,
            Ok(Progress::Absent) => absent += 1,
            Err(error) => {
                wrong += 1;
                for cause in causes_of(error)? {
                    anstream::eprintln!("line {line}: {cause}");
                }
            }
        }
    }
    tool::print(&format!("rows: {}", migrated + waiting + without + absent + wrong))?;
    tool::print(&format!("migrated: {migrated} (their passwords were imported at a sign-in, or set since)"))?;
    tool::print(&format!("waiting: {waiting} (the hook is asked at their next sign-in)"))?;
    tool::print(&format!("without a password: {without} (not armed)"))?;
    tool::print(&format!("not in the org: {absent}"))?;
    tool::print(&format!("refused: {wrong}"))?;
    Ok(wrong == 0)
}

/// What is wrong with a row.
///
/// # Errors
/// When it is not the row: then no other row would do better.
fn causes_of(error: ManagementError) -> Result<Vec<String>, Error> {
    match error {
        ManagementError::Invalid { causes, .. } => Ok(causes),
        other => Err(other.into()),
    }
}

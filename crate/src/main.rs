//! The command line of solvergrad: `solvergrad --help`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Command, value_parser};
use solvergrad::data::{
    self, Aspect, BeerAdvocate, Cub, FileStatus, ImageSet, InstanceSet, SPair71k, VocKeypoints,
};
use solvergrad::stand_in::{Glyphs, PairStandIn, ReviewStandIn, StandIn};
use solvergrad::{Error, doctor};

mod command_line {
    pub mod solve;
    pub mod sweep;
}
use command_line::{solve, sweep};

/// Why a command ends without success.
pub enum Failure {
    /// The library's own error.
    Library(Error),
    /// One line for the person.
    Message(String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn main() -> ExitCode {
    let message = match run(&command_line().get_matches()) {
        Ok(()) => return ExitCode::SUCCESS,
        // The reader, `head` for instance, has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Output(error)) => format!("cannot write to standard output: {error}"),
        Err(Failure::Library(error)) => error.to_string(),
        Err(Failure::Message(message)) => message,
    };
    // A closed standard error leaves nothing to do but the exit status.
    let _ = writeln!(io::stderr(), "solvergrad: {message}");
    ExitCode::FAILURE
}

fn command_line() -> Command {
    let set = |help| {
        Arg::new("name").value_name("NAME").help(help).value_parser(
            PossibleValuesParser::new(ImageSet::ALL.map(ImageSet::name))
                .try_map(|name| name.parse::<ImageSet>()),
        )
    };
    let name = || Arg::new("name").value_name("NAME").help("The data set").required(true);
    let folder = Arg::new("folder")
        .long("folder")
        .value_name("FOLDER")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help("Folder of all data [default: $SOLVERGRAD_DATA, /lab/data or ./data]");
    Command::new("solvergrad")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Learning through combinatorial solvers")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("doctor").about("Check this installation"))
        .subcommand(
            Command::new("data")
                .about("Get and check data sets")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .arg(folder)
                .subcommand(Command::new("list").about("Show the data sets and where they are"))
                .subcommand(
                    Command::new("fetch").about("Download a data set").arg(
                        name().value_parser(PossibleValuesParser::new(
                            ImageSet::ALL
                                .map(ImageSet::name)
                                .into_iter()
                                .chain(InstanceSet::ALL.map(InstanceSet::name))
                                .chain([SPair71k::NAME]),
                        )),
                    ),
                )
                .subcommand(
                    Command::new("verify")
                        .about("Compare files with the published checksums")
                        .arg(set("The data set [default: every one that is present]")),
                )
                .subcommand(make_command()),
        )
        .subcommand(solve::command())
        .subcommand(sweep::command())
        .subcommand(
            Command::new("notebook")
                .about("Check a notebook, build it as a program, or run it: `notebook --help`")
                .disable_help_flag(true)
                .arg(
                    Arg::new("arguments")
                        .num_args(0..)
                        .trailing_var_arg(true)
                        .allow_hyphen_values(true)
                        .value_parser(value_parser!(OsString)),
                ),
        )
}

fn make_command() -> Command {
    let StandIn { train, validation, test, seed } = StandIn::default();
    let pairs = PairStandIn::default();
    let names =
        InstanceSet::ALL.map(InstanceSet::name).into_iter().chain([Cub::NAME, SPair71k::NAME]);
    let set = Arg::new("name").value_name("NAME").help("The data set").required(true);
    let size = Arg::new("size").long("size").value_name("K").value_parser(value_parser!(usize));
    let count = |name: &'static str, default: usize, of_pairs: usize| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(value_parser!(usize))
            .help(format!("Number of instances [default: {default}, of pairs {of_pairs}]"))
    };
    Command::new("make")
        .about("Make the stand-in of a data set that cannot be downloaded")
        .arg(set.value_parser(PossibleValuesParser::new(names)))
        .arg(size.help("Size of the instances, or side of the pictures in pixels [default: the smallest published one, 36, or of pairs 64]"))
        .arg(count("train", train, pairs.train))
        .arg(count("validation", validation, pairs.validation))
        .arg(count("test", test, pairs.test))
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("SEED")
                .value_parser(value_parser!(u64))
                .help(format!("What decides about all of it [default: {seed}]")),
        )
        .subcommand(make_reviews_command())
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
}

fn make_reviews_command() -> Command {
    let ReviewStandIn { train, held_out, annotated, seed } = ReviewStandIn::default();
    let count = |name: &'static str, help: &str, default: usize| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(value_parser!(usize))
            .help(format!("{help} [default: {default}]"))
    };
    let names = PossibleValuesParser::new(Aspect::ALL.map(Aspect::name));
    Command::new(BeerAdvocate::NAME)
        .about("Make the stand-in of the reviews of beers")
        .arg(
            Arg::new("aspect")
                .long("aspect")
                .value_name("ASPECT")
                .value_parser(names.try_map(|name| name.parse::<Aspect>()))
                .help(format!("What the ratings are of [default: {}]", Aspect::default())),
        )
        .arg(count("train", "Number of reviews to train on", train))
        .arg(count("held-out", "Number of reviews to choose by and to report", held_out))
        .arg(count("annotated", "Number of annotated reviews", annotated))
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("SEED")
                .value_parser(value_parser!(u64))
                .help(format!("What decides about all of it [default: {seed}]")),
        )
}

fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("doctor", _)) => examine(),
        Some(("data", matches)) => data_command(matches),
        Some(("solve", matches)) => solve::run(matches),
        Some(("sweep", matches)) => sweep::run(matches),
        Some(("notebook", matches)) => notebook(matches),
        _ => Err(Failure::Message("unknown command".to_owned())),
    }
}

// The kernel knows what a cell means, so it is the kernel that makes programs of notebooks.
fn notebook(matches: &ArgMatches) -> Result<(), Failure> {
    let arguments = matches.get_many::<OsString>("arguments").into_iter().flatten();
    let program = "solvergrad-kernel";
    let error = process::Command::new(program).arg("notebook").args(arguments).exec();
    Err(Failure::Message(format!(
        "cannot start {program}: {error}; notebooks need the image's kernel"
    )))
}

fn examine() -> Result<(), Failure> {
    let report = doctor::report();
    write!(io::stdout(), "{report}")?;
    match report.problems().count() {
        0 => Ok(()),
        1 => Err(Failure::Message("1 problem; its cure is in the table".to_owned())),
        count => Err(Failure::Message(format!("{count} problems; the cures are in the table"))),
    }
}

fn data_command(matches: &ArgMatches) -> Result<(), Failure> {
    let folder = matches.get_one::<PathBuf>("folder").cloned().unwrap_or_else(data::data_folder);
    let set = match matches.subcommand() {
        Some(("list", _)) => return list(&folder),
        Some(("make", matches)) => return make(matches, &folder),
        Some(("fetch", matches)) => return fetch(matches, &folder),
        Some((_, matches)) => matches.get_one::<ImageSet>("name").copied(),
        None => return Err(Failure::Message("no command given".to_owned())),
    };
    match set {
        Some(set) => verify(&[set], &folder),
        None => {
            let present = ImageSet::ALL.into_iter().filter(|set| set.locate(&folder).is_ok());
            verify(&present.collect::<Vec<_>>(), &folder)
        }
    }
}

fn fetch(matches: &ArgMatches, folder: &Path) -> Result<(), Failure> {
    let name = matches.get_one::<String>("name").map_or("", String::as_str);
    // The download goes on when nobody reads its progress.
    let report = |line: &str| drop(writeln!(io::stdout(), "{line}"));
    if name == SPair71k::NAME {
        return Ok(data::fetch_spair(folder, report)?);
    }
    match name.parse::<ImageSet>() {
        Ok(set) => data::fetch(set, folder, report)?,
        Err(_) => data::fetch_instances(name.parse()?, folder, report)?,
    }
    Ok(())
}

fn make(matches: &ArgMatches, folder: &Path) -> Result<(), Failure> {
    if let Some((BeerAdvocate::NAME, matches)) = matches.subcommand() {
        return make_reviews(matches, folder);
    }
    let Some(name) = matches.get_one::<String>("name") else {
        return Err(Failure::Message("no data set given".to_owned()));
    };
    if name == Cub::NAME {
        return make_glyphs(matches, folder);
    }
    if name == SPair71k::NAME {
        return make_pairs(matches, folder);
    }
    let set: InstanceSet = name.parse()?;
    let default = StandIn::default();
    let count = |name: &str, default| matches.get_one(name).copied().unwrap_or(default);
    let stand_in = StandIn {
        train: count("train", default.train),
        validation: count("validation", default.validation),
        test: count("test", default.test),
        seed: matches.get_one("seed").copied().unwrap_or(default.seed),
    };
    let size = count("size", set.sizes()[0]);
    let report = |line: &str| drop(writeln!(io::stdout(), "{line}"));
    let made = stand_in.make(set, folder, size, report)?;
    writeln!(io::stdout(), "{set} of size {size}: {}", made.display())?;
    Ok(())
}

fn make_reviews(matches: &ArgMatches, folder: &Path) -> Result<(), Failure> {
    let default = ReviewStandIn::default();
    let count = |name: &str, default| matches.get_one(name).copied().unwrap_or(default);
    let stand_in = ReviewStandIn {
        train: count("train", default.train),
        held_out: count("held-out", default.held_out),
        annotated: count("annotated", default.annotated),
        seed: matches.get_one("seed").copied().unwrap_or(default.seed),
    };
    let aspect = matches.get_one("aspect").copied().unwrap_or_default();
    let report = |line: &str| drop(writeln!(io::stdout(), "{line}"));
    let made = stand_in.make(aspect, folder, report)?;
    writeln!(io::stdout(), "{} for {aspect}: {}", BeerAdvocate::NAME, made.display())?;
    Ok(())
}

fn make_glyphs(matches: &ArgMatches, folder: &Path) -> Result<(), Failure> {
    if let Some(count) =
        ["train", "validation", "test"].iter().find(|&&name| matches.contains_id(name))
    {
        let cure = "its stand-in has half of its classes to train on; leave that out";
        return Err(Failure::Message(format!("--{count} does not fit {}: {cure}", Cub::NAME)));
    }
    let default = Glyphs::default();
    let glyphs = Glyphs {
        side: matches.get_one("size").copied().unwrap_or(default.side),
        seed: matches.get_one("seed").copied().unwrap_or(default.seed),
        ..default
    };
    let made = glyphs.make(folder, |line| drop(writeln!(io::stdout(), "{line}")))?;
    writeln!(io::stdout(), "{}: {}", Cub::NAME, made.display())?;
    Ok(())
}

fn make_pairs(matches: &ArgMatches, folder: &Path) -> Result<(), Failure> {
    let default = PairStandIn::default();
    let count = |name: &str, default| matches.get_one(name).copied().unwrap_or(default);
    let pairs = PairStandIn {
        train: count("train", default.train),
        validation: count("validation", default.validation),
        test: count("test", default.test),
        side: count("size", default.side),
        seed: matches.get_one("seed").copied().unwrap_or(default.seed),
    };
    let made = pairs.make(folder, |line| drop(writeln!(io::stdout(), "{line}")))?;
    writeln!(io::stdout(), "{}: {}", SPair71k::NAME, made.display())?;
    Ok(())
}

fn list(folder: &Path) -> Result<(), Failure> {
    let mut out = io::stdout();
    for set in ImageSet::ALL {
        let bytes: u64 = set.files().iter().map(|file| file.gz_size).sum();
        let place = match set.locate(folder) {
            Ok([first, ..]) => first.parent().unwrap_or(folder).display().to_string(),
            Err(error) => error.to_string(),
        };
        writeln!(out, "{set:<14} {:>3} MB  {place}", bytes.div_ceil(1_000_000))?;
        writeln!(out, "{:<14} {}, {}", "", set.licence(), set.source())?;
    }
    for set in InstanceSet::ALL {
        for size in set.sizes() {
            let made = StandIn::default().folder(set, folder, size);
            let place = match set.locate(folder, size) {
                Ok(place) => place.display().to_string(),
                Err(_) if made.is_dir() => format!("stand-in {}", made.display()),
                Err(_) => format!("not present; `solvergrad data make {set} --size {size}`"),
            };
            writeln!(out, "{set:<14} {size:>3}     {place}")?;
        }
        writeln!(out, "{:<14} {} from {}", "", set.archive(), set.source())?;
    }
    let made = ReviewStandIn::default().folder(Aspect::default(), folder);
    let name = BeerAdvocate::NAME;
    let place = match BeerAdvocate::locate(folder) {
        Ok(place) => place.display().to_string(),
        Err(_) if made.is_dir() => format!("stand-in {}", made.display()),
        Err(_) => format!("not present; `solvergrad data make {name}`"),
    };
    writeln!(out, "{name:<14}         {place}")?;
    writeln!(out, "{:<14} from {}", "", BeerAdvocate::source())?;
    let made = Glyphs::default().folder(folder);
    let place = match Cub::locate(folder) {
        Ok(place) => place.display().to_string(),
        Err(_) if made.is_dir() => format!("stand-in {}", made.display()),
        Err(_) => format!("not present; `solvergrad data make {}`", Cub::NAME),
    };
    writeln!(out, "{:<14}         {place}", Cub::NAME)?;
    writeln!(out, "{:<14} {} from {}", "", Cub::ARCHIVE, Cub::SOURCE)?;
    let made = PairStandIn::default().folder(folder);
    let place = match SPair71k::locate(folder) {
        Ok(place) => place.display().to_string(),
        Err(_) if made.is_dir() => format!("stand-in {}", made.display()),
        Err(_) => format!("not present; `solvergrad data make {}`", SPair71k::NAME),
    };
    let megabytes = SPair71k::ARCHIVE_SIZE.div_ceil(1_000_000);
    writeln!(out, "{:<14} {megabytes:>3} MB  {place}", SPair71k::NAME)?;
    writeln!(out, "{:<14} {} from {}", "", SPair71k::ARCHIVE, SPair71k::SOURCE)?;
    let place = match VocKeypoints::locate(folder) {
        Ok(place) => place.display().to_string(),
        Err(error) => error.to_string(),
    };
    writeln!(out, "{:<14}         {place}", VocKeypoints::NAME)?;
    Ok(())
}

fn verify(sets: &[ImageSet], folder: &Path) -> Result<(), Failure> {
    let mut out = io::stdout();
    let mut wrong = 0;
    for &set in sets {
        for file in data::verify(set, folder)? {
            wrong += usize::from(!file.is_intact());
            let FileStatus { name, path, problem } = file;
            let place = path.map_or_else(|| name.to_owned(), |path| path.display().to_string());
            writeln!(out, "{set:<14} {place}: {}", problem.as_deref().unwrap_or("ok"))?;
        }
    }
    match (sets, wrong) {
        ([], _) => Err(Failure::Message(format!("no data set in {}", folder.display()))),
        (_, 0) => Ok(()),
        _ => Err(Failure::Message(format!(
            "{wrong} files are missing or wrong; delete the wrong ones and run `solvergrad data \
             fetch`"
        ))),
    }
}

//! The process that runs the cells.
//!
//! It speaks evcxr's protocol (a line `LOAD_AND_RUN library function` comes in, a line
//! `EVCXR_EXECUTION_COMPLETE` goes out) on descriptors of its own, so that nothing a cell prints or
//! reads can disturb it: what a cell writes goes through two pipes to the kernel, ends with a mark
//! that no program knows, and its standard input is empty. The kernel answers with what it found
//! there for evcxr, and only then evcxr is told.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, RawFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::stream::{BEGIN, END, FAILED_TO_LOAD, PANIC};

/// The library's flag (`crate/shim`): set by an interrupt, read by training loops and solvers.
static FLAG: AtomicPtr<libc::c_int> = AtomicPtr::new(std::ptr::null_mut());
/// How often it was read in this cell.
static CHECKS: AtomicPtr<libc::c_int> = AtomicPtr::new(std::ptr::null_mut());
static RUNNING: AtomicBool = AtomicBool::new(false);
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Code that does not look at the flag within this time after an interrupt is ended by force.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves until the kernel closes its side. `output` and `errors` are the pipes to the kernel,
/// `answers` the one from it.
pub fn run(output: RawFd, errors: RawFd, answers: RawFd, mark: &str) -> Result<ExitCode> {
    // The kernel's end is the end, even where it had no time to say so.
    // SAFETY: prctl with these arguments has no memory preconditions.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // The first three descriptors are evcxr's; the cells get others in their place.
    let [requests, replies] = [own(0)?, own(1)?];
    let nothing = File::open("/dev/null")?;
    for (from, to) in [(raw(&nothing), 0), (output, 1), (errors, 2)] {
        // SAFETY: dup2 has no memory preconditions; a bad descriptor is an error code.
        if unsafe { libc::dup2(from, to) } < 0 {
            return Err(std::io::Error::last_os_error()).context("taking over standard streams");
        }
    }
    let [output, errors, answers] = [own(1)?, own(2)?, own(answers)?];
    let streams = (output, errors);
    let mut answers = BufReader::new(answers);
    watch_interrupts()?;
    // What every cell needs is loaded now, not in the first one.
    let shim = preload();
    crate::failure::install(mark);
    let mut libraries = Vec::new();
    let mut variables: *mut libc::c_void = std::ptr::null_mut();
    let mut replies = replies;
    for line in BufReader::new(requests).lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let ["LOAD_AND_RUN", path, function] = words[..] else {
            bail!("evcxr asked for `{line}`, which is not known here");
        };
        say(&streams, BEGIN, mark)?;
        for place in [&FLAG, &CHECKS] {
            // SAFETY: null, or an int of the shim, which is never unloaded.
            if let Some(value) = unsafe { place.load(Ordering::Relaxed).as_mut() } {
                *value = 0;
            }
        }
        RUNNING.store(true, Ordering::SeqCst);
        type Cell = extern "C-unwind" fn(*mut libc::c_void) -> *mut libc::c_void;
        // SAFETY: the file was compiled by evcxr for this function and this compiler.
        let loaded = unsafe { libloading::Library::new(path) };
        match loaded {
            Ok(library) => {
                // SAFETY: evcxr generates the function with this signature.
                match unsafe { library.get::<Cell>(function.as_bytes()) } {
                    Ok(cell) => variables = cell(variables),
                    Err(error) => writeln!(&streams.0, "{FAILED_TO_LOAD}{error}\n{PANIC}")?,
                }
                // Never unloaded: values of its types live on.
                libraries.push(library);
            }
            Err(error) => writeln!(&streams.0, "{FAILED_TO_LOAD}{error}\n{PANIC}")?,
        }
        RUNNING.store(false, Ordering::SeqCst);
        std::io::stdout().flush()?;
        // SAFETY: null means all streams of C (and of C++, which writes through them).
        unsafe { libc::fflush(std::ptr::null_mut()) };
        say(&streams, END, mark)?;
        let mut answer = String::new();
        loop {
            answer.clear();
            if answers.read_line(&mut answer)? == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            replies.write_all(answer.as_bytes())?;
            if answer.trim_end() == "EVCXR_EXECUTION_COMPLETE" {
                break;
            }
        }
    }
    drop(shim);
    // Destructors of thread-local values must not run after their library has gone.
    std::mem::forget(libraries);
    std::process::exit(0)
}

fn say((output, errors): &(File, File), what: &str, mark: &str) -> Result<()> {
    let text = format!("\0{what} {mark}\0");
    for mut stream in [output, errors] {
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn raw(file: &File) -> RawFd {
    use std::os::fd::AsRawFd;
    file.as_raw_fd()
}

// A copy that programs started by a cell do not inherit.
fn own(descriptor: RawFd) -> Result<File> {
    // SAFETY: fcntl has no memory preconditions; the result is checked, and owned by nobody else.
    unsafe {
        let copy = libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 10);
        if copy < 0 {
            return Err(std::io::Error::last_os_error()).context("copying a descriptor");
        }
        Ok(File::from_raw_fd(copy))
    }
}

fn preload() -> Option<libloading::Library> {
    // SAFETY: loading runs the constructors of libtorch and of the library's own shim.
    let shim = unsafe { libloading::Library::new("libsolvergrad_shim.so") }.ok()?;
    for (name, place) in
        [(c"solvergrad_interrupt", &FLAG), (c"solvergrad_interrupt_checks", &CHECKS)]
    {
        // SAFETY: both are ints of the shim.
        if let Ok(value) = unsafe { shim.get::<*mut libc::c_int>(name.to_bytes_with_nul()) } {
            place.store(*value, Ordering::SeqCst);
        }
    }
    Some(shim)
}

extern "C" fn interrupted(_: libc::c_int) {
    let flag = FLAG.load(Ordering::SeqCst);
    if !RUNNING.load(Ordering::SeqCst) {
        return;
    }
    // SAFETY: the int outlives the process' last cell; write is safe in a signal handler.
    unsafe {
        if !flag.is_null() {
            flag.write_volatile(1);
        }
        libc::write(BELL.load(Ordering::SeqCst), c"!".as_ptr().cast(), 1);
    }
}

// An interrupt sets the library's flag; a thread ends code that never looks at it.
fn watch_interrupts() -> Result<()> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two ints; the handler only touches atomics and a descriptor.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
            return Err(std::io::Error::last_os_error()).context("making a pipe");
        }
        BELL.store(ends[1], Ordering::SeqCst);
        let handler: extern "C" fn(libc::c_int) = interrupted;
        libc::signal(libc::SIGINT, handler as libc::sighandler_t);
    }
    // SAFETY: the read end was just made and belongs to nobody else.
    let mut bell = unsafe { File::from_raw_fd(ends[0]) };
    std::thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        let mut byte = [0];
        while std::io::Read::read_exact(&mut bell, &mut byte).is_ok() {
            let end = std::time::Instant::now() + PATIENCE;
            while RUNNING.load(Ordering::SeqCst) {
                let checks = CHECKS.load(Ordering::SeqCst);
                // SAFETY: null, or an int of the shim.
                if !checks.is_null() && unsafe { checks.read_volatile() } > 0 {
                    break;
                }
                if std::time::Instant::now() > end {
                    // SAFETY: ends this process, which is what was asked for.
                    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    })?;
    Ok(())
}

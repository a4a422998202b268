//! A process that serves a benchmark: it is asked by lines on its standard input, answers by lines on its standard output, and
//! ends when its input does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{Error, cpu::Figures};

/// The process, from outside.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Error> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("standard input is a pipe")?;
        let output = BufReader::new(child.stdout.take().ok_or("standard output is a pipe")?);
        Ok(Self { child, input, output })
    }

    /// Asks; the answer is read by [`Self::object`].
    pub(crate) fn ask(&mut self, question: &str) -> Result<(), Error> {
        Ok(writeln!(self.input, "{question}")?)
    }

    /// The answer to a question.
    pub(crate) fn answer(&mut self, question: &str) -> Result<Figures, Error> {
        self.ask(question)?;
        self.object()
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a process of the benchmark has ended".into());
        }
        Ok(line)
    }

    /// The next JSON object that it prints; what other people's programs print in between is passed over.
    pub(crate) fn object(&mut self) -> Result<Figures, Error> {
        loop {
            let line = self.line()?;
            if line.starts_with('{') {
                return Figures::read(&line);
            }
        }
    }

    /// Ends it, and waits until it has ended.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        drop(self.input);
        self.child.wait()?;
        Ok(())
    }
}

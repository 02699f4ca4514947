//! The format of the files.

use super::show::{self, Counts};
use jit::ir::Mode;
use std::collections::HashSet;
use std::fmt::Write as _;

/// A line of guest code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The instruction; none of a label, or before it is assembled.
    pub word: Option<u32>,
    /// A label.
    pub label: bool,
    /// As the assembler reads it.
    pub text: String,
}

/// A guest sequence.
pub struct Case {
    pub name: String,
    /// What is worth saying about it.
    pub remarks: Vec<String>,
    pub lines: Vec<Line>,
}

/// A file.
pub struct Chapter {
    /// Lines at its head.
    head: Vec<String>,
    pub cases: Vec<Case>,
}

/// Begins what is generated within a case.
const GENERATED: &str = "--";

impl Line {
    fn parse(line: &str) -> Line {
        let line = line.trim();
        let word =
            line.split_once(' ').filter(|(w, _)| w.len() == 8).and_then(|(w, t)| Some((u32::from_str_radix(w, 16).ok()?, t)));
        match word {
            Some((w, text)) => Line { word: Some(w), label: false, text: text.trim().into() },
            None => Line { word: None, label: line.ends_with(':'), text: line.into() },
        }
    }

    fn render(&self) -> String {
        match self.word {
            Some(w) => format!("{w:08x}  {}", self.text),
            None => self.text.clone(),
        }
    }
}

impl Chapter {
    /// Only what is written by hand (and the words): the rest is made again.
    pub fn parse(text: &str) -> Result<Chapter, String> {
        let mut chapter = Chapter { head: Vec::new(), cases: Vec::new() };
        let (mut generated, mut names) = (false, HashSet::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                if !names.insert(name.to_string()) {
                    return Err(format!("two cases are named {name}"));
                }
                chapter.cases.push(Case { name: name.into(), remarks: Vec::new(), lines: Vec::new() });
                generated = false;
                continue;
            }
            let Some(case) = chapter.cases.last_mut() else {
                if !line.starts_with('|') && !line.is_empty() {
                    chapter.head.push(line.into());
                }
                continue;
            };
            generated |= line.starts_with(GENERATED);
            match line.strip_prefix("# ") {
                _ if generated || line.trim().is_empty() => {}
                Some(remark) => case.remarks.push(remark.into()),
                None => case.lines.push(Line::parse(line)),
            }
        }
        Ok(chapter)
    }

    /// The file as it should be.
    pub fn render(&self) -> Result<String, String> {
        let (mut table, mut body) = (String::new(), String::new());
        let width = self.cases.iter().map(|c| c.name.len()).max().unwrap_or(0);
        let _ = write!(table, "| {:width$} | guest |", "");
        show::HOSTS.iter().for_each(|h| table += &format!(" {:>6} |", h.name));
        table += "\n";
        for case in &self.cases {
            let counts = case.render(&mut body)?;
            let _ = write!(table, "| {:width$} | {:>5} |", case.name, counts.guest);
            counts.host.iter().for_each(|n| table += &format!(" {n:>6} |"));
            table += "\n";
        }
        Ok(format!("{}\n\n{table}{body}", self.head.join("\n")))
    }
}

impl Case {
    fn render(&self, out: &mut String) -> Result<Counts, String> {
        let words: Option<Vec<u32>> = self.lines.iter().filter(|l| !l.label).map(|l| l.word).collect();
        let words = words.ok_or_else(|| format!("{} is not assembled yet: BLESS=1", self.name))?;
        let _ = writeln!(out, "\n== {}", self.name);
        self.remarks.iter().for_each(|r| *out += &format!("# {r}\n"));
        self.lines.iter().for_each(|l| *out += &format!("{}\n", l.render()));
        // So called are those in a process whose memory others see.
        let mode = if self.name.ends_with("_shared") { Mode::SHARED } else { Mode::default() };
        Ok(show::translate(&words, mode, GENERATED, out))
    }
}

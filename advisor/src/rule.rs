//! What a rule is.

use slowpath_profile::evidence::Site;
use slowpath_profile::finding::{Cause, EvidenceLevel, Fix, Place, Reason};

use crate::context::Context;
use crate::costs::Ratio;
use crate::target::Target;
use crate::weight::Extent;

/// One thing that the advisor knows to look for.
///
/// A rule is a constant: its page is what `slowpath explain` prints, `holds` says where the advice is
/// true at all, `check` looks for it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `SP301`.
    pub code: &'static str,
    /// What it finds, in a few words.
    pub name: &'static str,
    /// Its manual page.
    pub page: Page,
    /// `Err` with the reason if this version or build does not have the problem.
    pub holds: fn(Target) -> Result<(), &'static str>,
    /// Looks for it in one process.
    pub check: fn(&Context<'_>) -> Verdict,
}

/// A manual page, plain words first. Paragraphs are separated by an empty line.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// What is slow, for somebody who knows nothing of interpreters.
    pub plain: &'static str,
    /// How the interpreter comes to be slow there.
    pub mechanism: &'static str,
    /// On which versions and builds this is true.
    pub versions: &'static str,
    /// What it costs, as measured.
    pub cost: &'static str,
    /// A program that has it.
    pub slow: &'static str,
    /// The same without it.
    pub fast: &'static str,
    /// What to do, and what may go wrong.
    pub fix: &'static str,
}

impl Page {
    /// Headings and texts in the order of the page; the two examples are code.
    pub fn sections(&self) -> [(&'static str, &'static str); 7] {
        [
            ("In plain words", self.plain),
            ("What happens inside", self.mechanism),
            ("Versions", self.versions),
            ("Cost", self.cost),
            ("Slow", self.slow),
            ("Fast", self.fast),
            ("What to do", self.fix),
        ]
    }

    /// Whether a section of this heading is code.
    pub fn is_code(heading: &str) -> bool {
        matches!(heading, "Slow" | "Fast")
    }
}

impl Rule {
    /// The page as Markdown, for viewers that render it.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}: {}\n", self.code, self.name);
        for (heading, text) in self.page.sections() {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            out += &match Page::is_code(heading) {
                true => format!("\n## {heading}\n\n```python\n{text}\n```\n"),
                false => format!("\n## {heading}\n\n{text}\n"),
            };
        }
        out
    }
}

/// What a rule concludes.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It looked and found nothing.
    Clear,
    /// It found something.
    Found(Vec<Draft>),
    /// It could not tell, for this reason.
    CannotTell(String),
}

impl Verdict {
    /// [`Verdict::Found`], or [`Verdict::Clear`] if there is nothing.
    pub fn of(drafts: Vec<Draft>) -> Self {
        if drafts.is_empty() { Self::Clear } else { Self::Found(drafts) }
    }
}

/// What a charge costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cost {
    /// The ratio that the table has under this key.
    Key(&'static str),
    /// A ratio that no table can hold, because it depends on the program; where it is from is said.
    Given(Ratio, &'static str),
}

/// Time that a finding says is spent for nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// Which time.
    pub extent: Extent,
    /// What it costs.
    pub cost: Cost,
    /// How often the slow way is taken, from 0 to 1.
    pub weight: f64,
    /// Where.
    pub place: Place,
    /// The expression there.
    pub expression: String,
    /// In what state the interpreter runs it.
    pub state: String,
}

impl Charge {
    /// One instruction, always slow.
    pub fn of_site(context: &Context<'_>, hot: &crate::context::HotSite<'_>, key: &'static str) -> Self {
        Self {
            extent: Extent::Instruction(hot.code.function, hot.site.offset),
            cost: Cost::Key(key),
            weight: 1.0,
            place: context.place(hot.code.function, hot.site.span),
            expression: expression(hot.site),
            state: String::new(),
        }
    }

    /// The same with another weight.
    #[must_use]
    pub fn weighing(mut self, weight: f64) -> Self {
        self.weight = weight.clamp(0.0, 1.0);
        self
    }

    /// The same in another state.
    #[must_use]
    pub fn in_state(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }
}

/// What an instruction asks for, as far as the bytecode tells.
pub fn expression(site: &Site) -> String {
    use slowpath_profile::evidence::OpFamily::{
        BinaryOp, Compare, Contains, Import, Iterate, LoadAttr, LoadSuperAttr, StoreAttr, Subscript, ToBool,
        Unpack,
    };
    let name = &site.name;
    match site.family {
        LoadAttr if !name.is_empty() => format!(".{name}"),
        StoreAttr if !name.is_empty() => format!(".{name} = …"),
        LoadSuperAttr if !name.is_empty() => format!("super().{name}"),
        BinaryOp | Compare if !name.is_empty() => format!("… {name} …"),
        Contains => "… in …".into(),
        Subscript => "…[…]".into(),
        Iterate => "for … in …".into(),
        ToBool => "truth test".into(),
        Unpack => "…, … = …".into(),
        Import => format!("import {name}"),
        _ => name.clone(),
    }
}

/// A finding before its saving is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The cost centre: `class shop.models.Model`.
    pub about: String,
    /// One line: what is slow and why.
    pub title: String,
    /// The best level that the whole chain reaches.
    pub level: EvidenceLevel,
    /// What is charged to it.
    pub charges: Vec<Charge>,
    /// What caused it, the likeliest first.
    pub causes: Vec<Cause>,
    /// How one leads to the other.
    pub why: Vec<Reason>,
    /// For which versions and builds this holds.
    pub applies: String,
    /// What to do.
    pub fix: Fix,
}

impl Draft {
    /// Adds a link to the chain.
    pub fn because(&mut self, level: EvidenceLevel, text: impl Into<String>) {
        self.why.push(Reason { level, text: text.into() });
    }
}

/// A fix as an example.
pub fn fix(text: impl Into<String>, diff: &[&str], risk: &str) -> Fix {
    Fix { text: text.into(), diff: diff.iter().map(|line| (*line).to_owned()).collect(), risk: risk.into() }
}

/// A rule that holds everywhere.
pub(crate) fn everywhere(_: Target) -> Result<(), &'static str> {
    Ok(())
}

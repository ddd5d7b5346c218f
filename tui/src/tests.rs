//! The view, driven by keys over a profile that is made by hand.

use ratatui::buffer::Buffer;

/// The characters of a screen.
pub(crate) fn text(buf: &Buffer) -> String {
    let area = buf.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            let symbol = buf[(x, y)].symbol();
            // The cell behind a wide character holds nothing.
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = slowpath_profile::text::columns(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

mod keys;
mod screens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use slowpath_profile::evidence::{CodeEvidence, Counter, OpFamily, ProcessEvidence, Seen, Site, StateCounts};
use slowpath_profile::finding::{
    Cause, Confidence, EvidenceLevel, Finding, Findings, Fix, Hurt, Place, Saving,
};
use slowpath_profile::testing::ProfileBuilder;
use slowpath_profile::view::live::{Counts, Live, Moment, Query};
use slowpath_profile::{Batch, Mark, Profile, Span, ThreadState};

use crate::app::{App, Effect};
use crate::feed::{Feed, Update};
use crate::theme::{ColorLevel, Theme};

/// A feed without a process: everything happens when it is asked for.
struct Mock {
    live: Live,
    held: Option<Moment>,
    query: Query,
    findings: Option<Arc<Findings>>,
    sources: HashMap<&'static str, &'static str>,
    ended: Option<String>,
    written: Arc<Mutex<Vec<String>>>,
    is_new: bool,
}

impl Feed for Mock {
    fn ask(&mut self, query: &Query) {
        self.query = query.clone();
        self.is_new = true;
    }
    fn freeze(&mut self, frozen: bool) {
        self.held = frozen.then(|| self.live.held_moment(self.query.scope, self.query.window));
        self.is_new = true;
    }
    fn set_interval(&mut self, _: Duration) {}
    fn update(&mut self) -> Update {
        let is_new = std::mem::take(&mut self.is_new);
        let now = || self.live.moment(self.query.scope, self.query.window);
        let moment = self.held.clone().unwrap_or_else(now);
        let snapshot = is_new.then(|| Arc::new(self.live.snapshot(&moment, &self.query)));
        Update { snapshot, findings: self.findings.take(), ended: self.ended.clone(), ..Update::default() }
    }
    fn source(&mut self, file: &str) -> Option<Vec<String>> {
        self.sources.get(file).map(|text| text.lines().map(str::to_owned).collect())
    }
    fn explain(&self, findings: &Findings, at: usize, width: usize) -> String {
        let finding = &findings.findings[at];
        format!("{} {}\n\nin {width} columns", finding.id, finding.title)
    }
    fn reset(&mut self) {
        self.live.reset();
        self.is_new = true;
    }
    fn write(&mut self, path: &str) -> Result<String, String> {
        self.written.lock().unwrap().push(path.to_owned());
        Ok(format!("wrote {path}"))
    }
}

/// A view over a feed, at a size.
struct View {
    app: App,
    feed: Mock,
    area: Rect,
}

const PLAIN: Theme = Theme { level: ColorLevel::Never, ascii: false };

impl View {
    fn new(profile: Profile, theme: Theme, (width, height): (u16, u16)) -> Self {
        let mut live = Live::new(profile.meta.clone());
        for seconds in 0..=12 {
            let ticks = seconds * 998;
            live.publish(Counts {
                elapsed_ns: seconds * 1_000_000_000,
                ticks,
                samples: ticks,
                ..Counts::default()
            });
        }
        live.apply(batch(profile));
        let sources = HashMap::from([("shop/cart.py", CART)]);
        let feed = Mock {
            live,
            held: None,
            query: Query::default(),
            findings: Some(Arc::new(findings())),
            sources,
            ended: None,
            written: Arc::default(),
            is_new: true,
        };
        let app = App::new(theme, Duration::from_secs(5));
        let mut view = Self { app, feed, area: Rect::new(0, 0, width, height) };
        view.feed.ask(&view.app.query.clone());
        view.settle();
        view
    }

    /// New numbers lead to new questions, and those to newer numbers.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.app.refresh(&mut self.feed);
        }
    }

    fn press(&mut self, code: KeyCode) -> Effect {
        let effect = self.app.event(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), &mut self.feed);
        self.settle();
        effect
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        keys.chars().for_each(|key| {
            self.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        });
        self
    }

    fn buffer(&mut self) -> Buffer {
        let mut buf = Buffer::empty(self.area);
        crate::panes::draw(&mut self.app, self.area, &mut buf);
        buf
    }

    fn text(&mut self) -> String {
        text(&self.buffer())
    }
}

fn batch(mut profile: Profile) -> Batch {
    let mut batch = Batch {
        processes: std::mem::take(&mut profile.processes),
        threads: std::mem::take(&mut profile.threads),
        samples: std::mem::take(&mut profile.samples),
        evidence: std::mem::take(&mut profile.evidence),
        ..Batch::default()
    };
    profile.tables.take_new(&mut Mark::default(), &mut batch);
    batch
}

const CART: &str = "import sys


class Cart:
    tax = 0.2

    def add(self, item):
        self.items.append(item)

    def price(self, item):
        return item.price * item.quantity

    def total(self):
        total = 0
        for item in self.items:
            total += self.price(item) * (1 + self.tax)
        return total
";

/// Twelve seconds of a shop: two threads, names that would steer a terminal, and states of three kinds.
fn shop() -> Profile {
    use ThreadState::{Idle, Running, WaitingForGil};
    let total = "shop/cart.py:Cart.total:16";
    let mut profile = ProfileBuilder::new()
        .thread("MainThread")
        .sample(&["<module>", "serve", total], Running, 4_000)
        .sample(&["<module>", "serve", total, "shop/cart.py:Cart.price:11"], Running, 3_000)
        .sample(&["<module>", "serve", total, "shop/cart.py:Cart.price:11"], WaitingForGil, 500)
        .sample(
            &["<module>", "serve", "/usr/lib/python3.14/json/decoder.py:JSONDecoder.decode:339"],
            Running,
            1_500,
        )
        .sample(&["<module>", "serve", total], Running, 1_000)
        .thread("worker-日本")
        .sample(&["run", "evil.py:f\x1b[31m\u{202e}name_日本:3"], Running, 800)
        .sample(&["run", "/usr/lib/python3.14/threading.py:Condition.wait:359"], Idle, 1_190)
        .dropped(10)
        .build();
    profile.evidence.push(ProcessEvidence { code: code(&profile), looks: 40, ..ProcessEvidence::default() });
    profile
}

fn code(profile: &Profile) -> Vec<CodeEvidence> {
    let function = |name: &str| {
        let is = |it: &slowpath_profile::Function| profile.tables.text(it.qualname) == name;
        let at = profile.tables.functions.values().iter().position(is).unwrap();
        slowpath_profile::FunctionId(at as u32)
    };
    let site = |offset, line, form: &str, name: &str, states| Site {
        offset,
        span: Span::of_line(line),
        family: OpFamily::LoadAttr,
        name: name.into(),
        looks: 40,
        states,
        forms: vec![Seen { value: form.into(), looks: 40 }],
        counter: Counter { specialised: 30, disturbed: 12, ..Counter::default() },
        ..Site::default()
    };
    let fast = StateCounts { specialised: 40, ..StateCounts::default() };
    let lost = StateCounts { deopted: 20, specialised: 20, ..StateCounts::default() };
    let failed = StateCounts { backed_off: 40, ..StateCounts::default() };
    vec![
        CodeEvidence {
            function: function("Cart.total"),
            looks: 40,
            sites: vec![
                site(20, 15, "LOAD_ATTR_INSTANCE_VALUE", "items", fast),
                site(40, 16, "LOAD_ATTR_METHOD_WITH_VALUES", "price", fast),
                site(60, 16, "LOAD_ATTR", "tax", failed),
            ],
            ..CodeEvidence::default()
        },
        CodeEvidence {
            function: function("Cart.price"),
            looks: 40,
            sites: vec![
                site(4, 11, "LOAD_ATTR", "price", lost),
                site(14, 11, "LOAD_ATTR_INSTANCE_VALUE", "quantity", fast),
                site(24, 11, "BINARY_OP_MULTIPLY_INT", "*", fast),
            ],
            ..CodeEvidence::default()
        },
    ]
}

fn findings() -> Findings {
    let place = |line, function: &str| Place {
        file: "shop/cart.py".into(),
        line: Some(line),
        function: function.into(),
        ..Place::default()
    };
    let finding = Finding {
        id: "SP301-7c1e".into(),
        rule: "SP301".into(),
        title: "shop.cart.Cart was modified 1000+ times".into(),
        saving: Saving { share: 0.11, low: 0.102, high: 0.121, ceiling: 0.168, ratio: 2.0 },
        basis: "713 samples on line 16".into(),
        evidence: EvidenceLevel::Writer,
        confidence: Confidence::High,
        hurts: vec![Hurt { place: place(16, "Cart.total"), share: 0.125, ..Hurt::default() }],
        samples: 713,
        causes: vec![Cause {
            place: place(8, "Cart.add"),
            statement: "type(self).n += 1\x1b[2J".into(),
            ..Cause::default()
        }],
        fix: Fix { text: "Keep what changes outside the class.".into(), ..Fix::default() },
        ..Finding::default()
    };
    Findings { samples: 10_800, findings: vec![finding], ..Findings::default() }
}
